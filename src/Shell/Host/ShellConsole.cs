using System.Management.Automation;
using System.Management.Automation.Internal;
using System.Text;
using PsMigrate.Shell.Interactive;

namespace PsMigrate.Shell.Host;

/// <summary>
/// The two output streams of the process and the progress line, which shares the terminal with them. Safe to call from any thread:
/// parallel pipelines write at the same time.
/// </summary>
sealed class ShellConsole
{
    readonly Lock _gate = new();
    readonly ProgressLine? _progress;
    readonly LineEditor _editor = new(complete: null);
    string _openLine = "";

    public ShellConsole()
    {
        // Without a mark of its byte order: the output may be another program's input.
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.OutputEncoding = utf8;
        if (Console.IsInputRedirected)
            Console.InputEncoding = utf8;

        // A Windows console understands escape sequences only when told to; there a real pwsh is at hand anyway.
        var colors = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            && Environment.GetEnvironmentVariable("TERM") != "dumb" && !OperatingSystem.IsWindows();
        ColorsOut = colors && !Console.IsOutputRedirected;
        ColorsError = colors && !Console.IsErrorRedirected;
        if (!ColorsOut)
            PSStyle.Instance.OutputRendering = OutputRendering.PlainText;
        if (!Console.IsErrorRedirected)
            _progress = new ProgressLine(Console.Error, () => Width);
    }

    /// <summary>Whether standard output shows escape sequences as colours.</summary>
    public bool ColorsOut { get; }

    /// <summary>The same of standard error.</summary>
    public bool ColorsError { get; }

    /// <summary>The width of a line: the terminal's, else <c>COLUMNS</c>, else 120.</summary>
    public static int Width
    {
        get
        {
            // A terminal that does not know its size says 0.
            if (!Console.IsOutputRedirected && Console.WindowWidth > 0)
                return Console.WindowWidth;
            return int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), out var columns) && columns >= 20 ? columns : 120;
        }
    }

    /// <summary>Called when the user presses Ctrl+C at a question, where it is a key and no signal.</summary>
    public Action? Interrupted { get; set; }

    /// <summary>Writes to standard output.</summary>
    public void Out(string text, bool newLine = false)
    {
        lock (_gate)
        {
            _progress?.Hide();
            var lineStart = text.LastIndexOf('\n') + 1;
            _openLine = newLine ? "" : lineStart > 0 ? text[lineStart..] : Shortened(_openLine + text);
            Put(Console.Out, text, ColorsOut, newLine);
        }
    }

    /// <summary>Writes to standard output in the given colours.</summary>
    public void Out(string text, ConsoleColor foreground, ConsoleColor background)
    {
        if (ColorsOut)
            text = PSStyle.Instance.Foreground.FromConsoleColor(foreground) + BackgroundOf(background) + text + PSStyle.Instance.Reset;
        Out(text);
    }

    /// <summary>Reads a line at the terminal, after what was last written without a line end.</summary>
    /// <returns>The line, or null at the end of the input.</returns>
    /// <exception cref="PipelineStoppedException">Ctrl+C was pressed.</exception>
    public string? ReadLine()
    {
        ClearProgress();
        var (result, text) = _editor.Read(_openLine);
        _openLine = "";
        return result == LineResult.Abandoned ? throw Stopped() : result == LineResult.EndOfInput ? null : text;
    }

    /// <summary>Reads a key at the terminal without showing it.</summary>
    /// <exception cref="PipelineStoppedException">It was Ctrl+C.</exception>
    public ConsoleKeyInfo ReadKey()
    {
        ClearProgress();
        Console.TreatControlCAsInput = true;
        try
        {
            var key = Console.ReadKey(intercept: true);
            return key is { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control } ? throw Stopped() : key;
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    /// <summary>Writes a line to standard error, red where colours are shown.</summary>
    public void Error(string text)
    {
        lock (_gate)
        {
            _progress?.Hide();
            if (ColorsError)
                text = PSStyle.Instance.Formatting.Error + text + PSStyle.Instance.Reset;
            Put(Console.Error, text, ColorsError, newLine: true);
        }
    }

    /// <summary>Shows a progress record, if standard error is a terminal.</summary>
    public void Progress(long sourceId, ProgressRecord record)
    {
        lock (_gate)
            _progress?.Update(sourceId, record);
    }

    /// <summary>Takes the progress line off the terminal and forgets what it showed.</summary>
    public void ClearProgress()
    {
        lock (_gate)
            _progress?.Clear();
    }

    // Black is what hosts pass for "none"; painting it would put boxes on a light terminal.
    static string BackgroundOf(ConsoleColor color) =>
        color == ConsoleColor.Black ? "" : PSStyle.Instance.Background.FromConsoleColor(color);

    PipelineStoppedException Stopped()
    {
        Interrupted?.Invoke();
        return new PipelineStoppedException();
    }

    // A line may be written in pieces for ever; what a question needs of it is its end.
    static string Shortened(string line) => line.Length <= 1000 ? line : line[^1000..];

    static void Put(TextWriter writer, string text, bool colors, bool newLine)
    {
        if (!colors && text.Contains('\x1b', StringComparison.Ordinal))
            text = new StringDecorated(text).ToString(OutputRendering.PlainText);
        if (newLine)
            writer.WriteLine(text);
        else
            writer.Write(text);
    }
}
