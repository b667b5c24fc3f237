using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>What real QEMUs answered: the files in Captured, one per version.</summary>
static class Captured
{
    public static TheoryData<string> Versions => ["7.2", "10.0"];

    /// <summary>What one of the QEMUs returned, by the names of the file.</summary>
    public static JsonElement Of(string version, params string[] path) =>
        path.Aggregate(JsonElement.Parse(File.ReadAllBytes(FileOf(version))), (from, name) => from.GetProperty(name));

    /// <summary>A server that greets and answers as one of the QEMUs did, of machine <c>none</c> or <c>q35</c>.</summary>
    public static FakeQmpServer Play(string version, string machine)
    {
        var server = new FakeQmpServer { Greeting = JsonSerializer.Serialize(Of(version, "greeting")) };
        foreach (var answer in Of(version, machine).EnumerateObject())
            server.Commands[answer.Name] = _ => JsonNode.Parse(answer.Value.GetRawText());
        foreach (var name in new[] { "query-migrate-capabilities", "query-migrate-parameters" })
            server.Commands[name] = _ => JsonNode.Parse(Of(version, name).GetRawText());
        return server;
    }

    static string FileOf(string version, [CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "Captured", $"qemu-{version}.json");
}
