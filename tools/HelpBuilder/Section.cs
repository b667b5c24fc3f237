namespace PsMigrate.HelpBuilder;

/// <summary>A heading and all that stands below it.</summary>
sealed record Section(int Line, string Title, IReadOnlyList<Block> Blocks)
{
    /// <summary>Splits at headings of one level; what stands before the first one has no place, and neither have higher headings.</summary>
    public static IReadOnlyList<Section> Split(MarkdownFile file, IEnumerable<Block> blocks, int level, int line)
    {
        List<Section> sections = [];
        List<Block> inside = [];
        foreach (var block in blocks)
            if (block is Heading heading && heading.Level == level)
            {
                if (sections.Any(s => string.Equals(s.Title, heading.Text, StringComparison.OrdinalIgnoreCase)))
                    throw file.Error(heading.Line, $"'{heading.Text}' is there twice.");
                sections.Add(new Section(heading.Line, heading.Text, inside = []));
            }
            else if (sections.Count == 0 || block is Heading { Level: var other } && other < level)
                throw file.Error(block.Line, $"This belongs below a heading of level {level} (after line {line}).");
            else
                inside.Add(block);
        return sections;
    }
}
