namespace PsMigrate.HelpBuilder;

/// <summary>A piece of a Markdown file, with the line that it begins on.</summary>
abstract record Block(int Line);

sealed record Heading(int Line, int Level, string Text) : Block(Line);

sealed record Paragraph(int Line, string Text) : Block(Line);

/// <summary>One item of a list, with its own marker ("-" or "1.") and its depth in spaces.</summary>
sealed record ListItem(int Line, int Indent, string Marker, string Text) : Block(Line);

sealed record Fence(int Line, string Language, string Text) : Block(Line);

sealed record Table(int Line, IReadOnlyList<string[]> Rows) : Block(Line);

/// <summary>A file as its front matter and its pieces.</summary>
sealed record MarkdownFile(string Path, IReadOnlyDictionary<string, string> FrontMatter, IReadOnlyList<Block> Blocks)
{
    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>The line of the first piece, to point at when that piece is not what it has to be.</summary>
    public int FirstLine => Blocks is [var first, ..] ? first.Line : 1;

    public HelpException Error(int line, string message) => new(Path, line, message);
}
