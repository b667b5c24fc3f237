using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace PsMigrate.Engine.Tests.House;

/// <summary>The folders of the engine know each other only in the direction of DESIGN §3.</summary>
public sealed partial class ArrowTests
{
    // What each folder may know. Model, at the bottom, knows none.
    static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Model"] = [],
        ["Journal"] = ["Model"],
        ["Convergence"] = ["Model"],
        ["Guests"] = ["Model"],
        ["Protocol"] = ["Model"],
        ["Transport"] = ["Model"],
        ["Qmp"] = ["Transport", "Model"],
        ["VmState"] = ["Protocol", "Guests", "Model"],
        ["Ram"] = ["Transport", "Protocol", "Guests", "Convergence", "Model"],
        ["Measuring"] = ["Ram", "Guests", "Convergence", "Model"],
        ["Streams"] = ["VmState", "Ram", "Transport", "Protocol", "Guests", "Model"],
        ["Files"] = ["Ram", "VmState", "Transport", "Protocol", "Guests", "Model"],
        ["Source"] = ["Qmp", "Ram", "VmState", "Transport", "Protocol", "Guests", "Convergence", "Journal", "Model"],
        ["Destination"] = ["Ram", "VmState", "Transport", "Protocol", "Guests", "Model"],
        ["Qemu"] = ["Qmp", "Transport", "Guests", "Convergence", "Journal", "Model"],
    };

    public static TheoryData<string> Folders => [.. Directory.GetDirectories(Root()).Select(path => Path.GetFileName(path)).Where(name => name is not ("bin" or "obj"))];

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_folder_knows_only_what_lies_below_it(string folder)
    {
        Assert.True(Allowed.ContainsKey(folder), $"DESIGN §3 has no folder {folder}.");
        var files = Directory.GetFiles(Path.Combine(Root(), folder), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var file in files)
            foreach (var (name, line) in References(File.ReadAllText(file)))
                Assert.True(name == folder || Allowed[folder].Contains(name), $"{Path.GetFileName(file)} of {folder} knows {name}: {line}");
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void The_namespace_is_the_folder(string folder)
    {
        foreach (var file in Directory.GetFiles(Path.Combine(Root(), folder), "*.cs", SearchOption.AllDirectories))
            Assert.Contains($"namespace PsMigrate.Engine.{folder};", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void The_house_in_the_documents_is_this_one()
    {
        var text = File.ReadAllText(Path.Combine(Root(), "..", "..", "docs", "house.md"));
        var arrows = Arrow().Matches(text).Select(match => (From: match.Groups[1].Value, To: match.Groups[2].Value))
            .Where(arrow => arrow.From != "Face").ToLookup(arrow => arrow.From, arrow => arrow.To);
        foreach (var (folder, known) in Allowed)
        {
            Assert.Contains($"| `src/Engine/{folder}` |", text, StringComparison.Ordinal);
            Assert.Empty(arrows[folder].Except(known));
            HashSet<string> reached = [folder];
            for (string[] next = [folder]; next.Length > 0; next = [.. next.SelectMany(from => arrows[from]).Distinct().Where(reached.Add)])
            {
            }
            Assert.Empty(known.Except(reached));
        }
    }

    [Fact]
    public void The_engine_knows_nothing_of_PowerShell()
    {
        foreach (var file in Directory.GetFiles(Root(), "*.cs*", SearchOption.AllDirectories).Where(IsSource))
            Assert.DoesNotContain("System.Management.Automation", File.ReadAllText(file), StringComparison.Ordinal);
        Assert.DoesNotContain(typeof(Migration).Assembly.GetReferencedAssemblies(), name => name.Name!.Contains("Automation", StringComparison.Ordinal));
    }

    [Fact]
    public void A_reference_that_is_not_allowed_is_found()
    {
        Assert.Equal(["Guests", "Source"], References("using PsMigrate.Engine.Guests;\nvar x = Engine.Source.RateWindow.Length; // Destination.X\n")
            .Select(reference => reference.Name));
        // A comment and a text are no reference.
        Assert.Empty(References("/// <see cref=\"Guests.Guest\"/>\nvar text = \"Engine.Source.X\";\n"));
    }

    static IEnumerable<(string Name, string Line)> References(string text) =>
        text.Split('\n').Where(line => !line.StartsWith("namespace ", StringComparison.Ordinal))
            .SelectMany(line => Namespace().Matches(Text().Replace(line, "\"\"")).Select(match => (match.Groups[1].Value, line.Trim())));

    /// <summary>In a using, in full, or shortened by the namespaces that all share (some of which are names of members too).</summary>
    [GeneratedRegex(@"(?:\bEngine\.(?=\w+(?:\.[A-Z]|;))|(?<![\w.])(?!Ram|Source|Destination)(?=\w+\.[A-Z]))(Model|Journal|Convergence|Guests|Protocol|Transport|Qmp|VmState|Ram|Measuring|Streams|Files|Source|Destination|Qemu)\b")]
    private static partial Regex Namespace();

    [GeneratedRegex(@"^ +(\w+) --> (\w+)\r?$", RegexOptions.Multiline)]
    private static partial Regex Arrow();

    [GeneratedRegex("\"[^\"]*\"|//.*$")]
    private static partial Regex Text();

    static bool IsSource(string path) => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal);

    internal static string Root([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "src", "Engine"));
}
