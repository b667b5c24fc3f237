namespace PsMigrate.HelpBuilder;

/// <summary>Breaks text into lines at spaces; a word longer than a line stays whole.</summary>
static class TextWrap
{
    public static IEnumerable<string> Lines(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            if (line.Length == 0) line = word;
            else if (line.Length + 1 + word.Length <= width) line += " " + word;
            else
            {
                yield return line;
                line = word;
            }

        if (line.Length > 0) yield return line;
    }
}
