using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PsMigrate.Engine.Model;

/// <summary>A trace as JSON (docs/files.md): times in seconds, sizes in bytes, what each region had in one list.</summary>
static class TraceWriter
{
    public const string Format = "psmigrate-trace";
    public const int Version = 1;

    static readonly JsonSerializerOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(MigrationTrace trace)
    {
        // A pass a line: what is compared line by line, or looked at by eye, is short enough for that.
        var text = new JsonObject
        {
            ["format"] = Format, ["version"] = Version, ["name"] = trace.Name, ["source"] = trace.Source.ToString(),
            ["timestamp"] = trace.Timestamp.ToString("O", CultureInfo.InvariantCulture),
            ["memory"] = new JsonObject
            {
                ["bytes"] = trace.TotalBytes, ["regionPages"] = trace.RegionPages, ["used"] = List(trace.UsedPages), ["owners"] = List(trace.Owners),
            },
            ["processors"] = trace.Processors, ["parameters"] = Parameters(trace.Parameters), ["setup"] = Seconds(trace.SetupTime), ["roundTrip"] = Seconds(trace.RoundTrip), ["isCut"] = trace.IsCut,
            ["decisions"] = new JsonArray([.. trace.Decisions.Select(Decision)]), ["outcome"] = Outcome(trace.Outcome),
        }.ToJsonString(Writing);
        var passes = string.Join(",\n", trace.Passes.Select(pass => Pass(pass).ToJsonString(Writing)));
        return $"{text[..^1]},\n\"passes\":[\n{passes}\n]}}\n";
    }

    public static void Save(MigrationTrace trace, string path)
    {
        var json = Write(trace);
        try
        {
            File.WriteAllText(path, json);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The trace can't be written to {path}: {e.Message}", e);
        }
    }

    static JsonObject Parameters(MigrationParameters one) => new()
    {
        ["policy"] = JsonNode.Parse((one.Policy ?? BuiltInPolicies.Qemu).ToJson()), ["observeOnly"] = one.ObserveOnly,
        ["maxDowntime"] = Seconds(one.MaxDowntime), ["maxBandwidth"] = one.MaxBandwidth, ["switchoverBandwidth"] = one.SwitchoverBandwidth,
        ["maxPostcopyBandwidth"] = one.MaxPostcopyBandwidth, ["timeout"] = one.Timeout is { } timeout ? Seconds(timeout) : null, ["onTimeout"] = one.OnTimeout.ToString(),
        ["maxThrottle"] = one.MaxThrottle, ["throttleInitial"] = one.ThrottleInitial, ["throttleIncrement"] = one.ThrottleIncrement,
        ["throttleTailslow"] = one.ThrottleTailslow, ["throttleTrigger"] = one.ThrottleTrigger, ["vcpuDirtyLimit"] = one.VcpuDirtyLimit,
        ["mode"] = one.Mode.ToString(), ["postcopyAfter"] = one.PostcopyAfter, ["postcopy"] = one.Postcopy,
        ["means"] = one.Means.ToString(), ["xbzrle"] = one.Xbzrle, ["channels"] = one.Channels, ["compression"] = one.Compression.ToString(),
    };

    static JsonObject Decision(MigrationDecision one) => new()
    {
        ["time"] = Seconds(one.Time), ["what"] = one.What, ["from"] = one.From, ["to"] = one.To, ["reason"] = one.Reason, ["policy"] = one.Policy,
        ["isObserved"] = one.IsObserved,
    };

    static JsonObject Outcome(TraceOutcome one) => new()
    {
        ["state"] = one.State.ToString(), ["wentOver"] = one.WentOver, ["totalTime"] = Seconds(one.TotalTime), ["downtime"] = Seconds(one.Downtime),
        ["bytes"] = one.TransferredBytes, ["finalPages"] = one.FinalPages, ["throttled"] = List(one.ThrottledTime),
        ["stalled"] = one.StalledTime is { } stalled ? Seconds(stalled) : null,
    };

    static JsonObject Pass(TracePass one) => new()
    {
        ["number"] = one.Number, ["start"] = Seconds(one.Start), ["duration"] = Seconds(one.Duration), ["busy"] = Seconds(one.Busy),
        ["normal"] = one.NormalPages, ["zero"] = one.ZeroPages, ["sparse"] = one.SparsePages, ["xbzrle"] = one.XbzrlePages, ["bytes"] = one.Bytes,
        ["remaining"] = one.RemainingBytes, ["dirty"] = one.DirtyPages, ["bandwidth"] = Math.Round(one.Bandwidth), ["maxBandwidth"] = one.MaxBandwidth,
        ["downtimeLimit"] = Seconds(one.DowntimeLimit), ["throttle"] = one.ThrottlePercent, ["differences"] = one.UsesDifferences,
        ["written"] = List(one.Written), ["held"] = List(one.Held),
        ["found"] = List(one.Found), ["looked"] = List(one.Looked), ["lookedAt"] = List(one.LookedAt),
    };

    static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 6);

    static JsonArray List(long[] values) => new([.. values.Select(value => (JsonNode)value)]);

    static JsonArray List(int[] values) => new([.. values.Select(value => (JsonNode)value)]);

    static JsonArray List(double[] values) => new([.. values.Select(value => (JsonNode)Math.Round(value, 5))]);

    static JsonArray List(TimeSpan[] values) => new([.. values.Select(value => (JsonNode)Seconds(value))]);
}
