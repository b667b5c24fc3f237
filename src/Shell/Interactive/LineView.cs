using System.Management.Automation.Internal;
using System.Text;
using PsMigrate.Shell.Host;

namespace PsMigrate.Shell.Interactive;

/// <summary>
/// Draws the line being edited, over as many rows as it needs. It counts the rows itself rather than asking the terminal where the
/// cursor is: that answer would come through the same input as the keys.
/// </summary>
sealed class LineView
{
    string _prompt = "";
    int _promptLength;
    int _cursorRow;

    /// <summary>Starts a line.</summary>
    public void Begin(string prompt)
    {
        // Only the prompt's last row belongs to the line.
        var lastRow = prompt.LastIndexOf('\n') + 1;
        Console.Write(prompt[..lastRow]);
        _prompt = prompt[lastRow..];
        _promptLength = new StringDecorated(_prompt).ContentLength;
        _cursorRow = 0;
    }

    /// <summary>Draws the line with the cursor before character <paramref name="cursor"/>.</summary>
    public void Draw(string text, int cursor)
    {
        var width = ShellConsole.Width;
        var output = new StringBuilder();
        Up(output, _cursorRow);
        output.Append('\r').Append(_prompt).Append(text);
        var end = _promptLength + text.Length;
        // After the last column a terminal holds the cursor back; a line feed brings it to the row where it is counted to be.
        if (end > 0 && end % width == 0)
            output.Append("\r\n");
        output.Append("\e[J");

        var at = _promptLength + cursor;
        _cursorRow = at / width;
        Up(output, (end / width) - _cursorRow);
        output.Append('\r');
        if (at % width > 0)
            output.Append("\e[").Append(at % width).Append('C');
        Console.Write(output);
    }

    /// <summary>Leaves the line; the cursor is at its end.</summary>
    public void End(string mark)
    {
        Console.WriteLine(mark);
        _cursorRow = 0;
    }

    /// <summary>Clears the screen; the next drawing is at its top.</summary>
    public void ClearScreen()
    {
        Console.Write("\e[H\e[2J");
        _cursorRow = 0;
    }

    static void Up(StringBuilder output, int rows)
    {
        if (rows > 0)
            output.Append("\e[").Append(rows).Append('A');
    }
}
