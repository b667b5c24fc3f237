using System.Collections;
using System.Management.Automation;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;

namespace PsMigrate.Completion;

/// <summary>RAM blocks of the stream that the command line names.</summary>
public sealed class StreamBlockCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        StreamLookup.Read(bound)?.Blocks.Select(block => new Suggestion(block.Name, Figures.Size(block.Length))) ?? [];
}

/// <summary>Devices of the stream that the command line names.</summary>
public sealed class StreamDeviceCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) => StreamLookup.Read(bound)?.Devices.Select(device =>
        new Suggestion(device.Name, $"version {device.Version}, {Figures.Count(device.Length, "byte")}")) ?? [];
}

static class StreamLookup
{
    // Whoever presses Tab waits; what is not read by then is not offered.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static MigrationStream? Read(IDictionary? bound)
    {
        if (First(bound?["Path"] ?? bound?["LiteralPath"]) is not { Length: > 0 } path || !File.Exists(path)) return null;
        try
        {
            using var end = new CancellationTokenSource(Patience);
            return StreamInspector.Read(path, LanguagePrimitives.TryConvertTo(bound?["Offset"], out long offset) ? offset : 0, end.Token);
        }
        catch (Exception e) when (e is MigrationException or OperationCanceledException)
        {
            return null;
        }
    }

    static string? First(object? value) => value is IList { Count: > 0 } list ? list[0]?.ToString() : value?.ToString();
}
