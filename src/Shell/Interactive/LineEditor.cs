using System.Management.Automation;

namespace PsMigrate.Shell.Interactive;

/// <summary>Why reading a line ended.</summary>
enum LineResult
{
    /// <summary>With a line.</summary>
    Line,

    /// <summary>By Ctrl+C.</summary>
    Abandoned,

    /// <summary>By Ctrl+D on an empty line.</summary>
    EndOfInput,
}

/// <summary>A line of input with the usual keys: arrows, Home and End, history, Tab to complete, Ctrl+C, D, U, K, W, A, E, L.</summary>
/// <param name="complete">What Tab does; without it the line is an answer, which is neither completed nor remembered.</param>
sealed class LineEditor(Func<string, int, CommandCompletion>? complete)
{
    readonly List<string> _history = [];
    readonly LineView _view = new();
    string _text = "";
    int _cursor;
    int _historyAt;
    CommandCompletion? _completion;
    int _completionFrom;

    /// <summary>Reads a line after <paramref name="prompt"/>.</summary>
    public (LineResult Result, string Text) Read(string prompt)
    {
        // A Windows console edits lines by itself, and only its newer ones understand what the view writes.
        if (OperatingSystem.IsWindows())
        {
            Console.Write(prompt);
            return Console.ReadLine() is { } read ? (LineResult.Line, read) : (LineResult.EndOfInput, "");
        }

        Set("", 0);
        _historyAt = _history.Count;
        _completion = null;
        // While a line is edited Ctrl+C is a key; while a pipeline runs it is a signal.
        Console.TreatControlCAsInput = true;
        try
        {
            _view.Begin(prompt);
            while (true)
            {
                _view.Draw(_text, _cursor);
                if (Take(Console.ReadKey(intercept: true)) is { } result)
                    return End(result);
            }
        }
        catch (InvalidOperationException)
        {
            // The terminal is gone.
            return (LineResult.EndOfInput, "");
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    (LineResult Result, string Text) End(LineResult result)
    {
        _view.Draw(_text, _text.Length);
        _view.End(result == LineResult.Abandoned ? "^C" : "");
        if (complete is not null && result == LineResult.Line && _text.Trim().Length > 0 && _history.LastOrDefault() != _text)
            _history.Add(_text);
        return (result, _text);
    }

    LineResult? Take(ConsoleKeyInfo key)
    {
        if (key.Key != ConsoleKey.Tab)
            _completion = null;
        if (key.Modifiers.HasFlag(ConsoleModifiers.Control))
            return TakeControl(key.Key);
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                return LineResult.Line;
            case ConsoleKey.Tab when complete is not null:
                Complete(forward: !key.Modifiers.HasFlag(ConsoleModifiers.Shift));
                break;
            case ConsoleKey.LeftArrow:
                _cursor = Math.Max(0, _cursor - 1);
                break;
            case ConsoleKey.RightArrow:
                _cursor = Math.Min(_text.Length, _cursor + 1);
                break;
            case ConsoleKey.Home:
                _cursor = 0;
                break;
            case ConsoleKey.End:
                _cursor = _text.Length;
                break;
            case ConsoleKey.UpArrow:
                Recall(_historyAt - 1);
                break;
            case ConsoleKey.DownArrow:
                Recall(_historyAt + 1);
                break;
            case ConsoleKey.Backspace when _cursor > 0:
                Set(_text.Remove(_cursor - 1, 1), _cursor - 1);
                break;
            case ConsoleKey.Delete when _cursor < _text.Length:
                Set(_text.Remove(_cursor, 1), _cursor);
                break;
            default:
                if (!char.IsControl(key.KeyChar))
                    Set(_text.Insert(_cursor, key.KeyChar.ToString()), _cursor + 1);
                break;
        }
        return null;
    }

    LineResult? TakeControl(ConsoleKey key)
    {
        switch (key)
        {
            case ConsoleKey.C:
                return LineResult.Abandoned;
            case ConsoleKey.D when _text.Length == 0:
                return LineResult.EndOfInput;
            case ConsoleKey.J or ConsoleKey.M:
                return LineResult.Line;
            case ConsoleKey.A:
                _cursor = 0;
                break;
            case ConsoleKey.E:
                _cursor = _text.Length;
                break;
            case ConsoleKey.U:
                Set(_text[_cursor..], 0);
                break;
            case ConsoleKey.K:
                Set(_text[.._cursor], _cursor);
                break;
            case ConsoleKey.W:
                var word = _text[.._cursor].TrimEnd().LastIndexOf(' ') + 1;
                Set(_text.Remove(word, _cursor - word), word);
                break;
            case ConsoleKey.L:
                _view.ClearScreen();
                break;
        }
        return null;
    }

    void Set(string text, int cursor) => (_text, _cursor) = (text, cursor);

    void Recall(int index)
    {
        if (index < 0 || index > _history.Count)
            return;
        _historyAt = index;
        var text = index == _history.Count ? "" : _history[index];
        Set(text, text.Length);
    }

    // Tab again takes the next match in place of the last one.
    void Complete(bool forward)
    {
        if (_completion is null)
        {
            _completion = complete!(_text, _cursor);
            _completionFrom = _completion.ReplacementIndex;
            if (_completion.CompletionMatches.Count == 0)
                return;
            Set(_text.Remove(_completionFrom, _completion.ReplacementLength), _completionFrom);
        }
        else if (_completion.CompletionMatches.Count > 0)
        {
            Set(_text.Remove(_completionFrom, _cursor - _completionFrom), _completionFrom);
        }
        if (_completion.GetNextResult(forward) is { } match)
            Set(_text.Insert(_completionFrom, match.CompletionText), _completionFrom + match.CompletionText.Length);
    }
}
