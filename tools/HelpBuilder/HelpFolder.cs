namespace PsMigrate.HelpBuilder;

/// <summary>Turns a folder of Markdown into what Get-Help reads: one file for all cmdlets, one text per about_ topic.</summary>
static class HelpFolder
{
    /// <returns>The files written.</returns>
    public static IReadOnlyList<string> Build(string source, string output)
    {
        var files = Directory.EnumerateFiles(source, "*.md").Order(StringComparer.Ordinal).ToArray();
        var topics = files.Where(IsAbout).ToArray();
        var commands = files.Where(f => !IsAbout(f) && Path.GetFileNameWithoutExtension(f).Contains('-', StringComparison.Ordinal))
            .Select(f => CommandReader.Read(MarkdownReader.Read(f))).ToArray();
        if (commands.Length == 0) throw new HelpException(source, 0, "There is no help for any cmdlet here.");
        foreach (var stray in commands.Where(c => c.HelpFile != commands[0].HelpFile))
            throw new HelpException(stray.File, 1, $"'external help file' is not {commands[0].HelpFile}, as elsewhere.");

        // Everything is read before anything is written, so that a mistake leaves no half-new help behind.
        var texts = topics.Select(MarkdownReader.Read).Select(topic => (topic.Name, Text: AboutWriter.Write(topic))).ToArray();
        Directory.CreateDirectory(output);
        List<string> written = [Path.Combine(output, commands[0].HelpFile)];
        MamlWriter.Write(commands).Save(written[0]);
        foreach (var (name, text) in texts)
        {
            written.Add(Path.Combine(output, name + ".help.txt"));
            File.WriteAllText(written[^1], text);
        }

        return written;
    }

    static bool IsAbout(string file) => Path.GetFileName(file).StartsWith("about_", StringComparison.OrdinalIgnoreCase);
}
