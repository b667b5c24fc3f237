using System.Globalization;
using System.Text.Json;

namespace PsMigrate.Engine.Model;

/// <summary>
/// A trace from JSON. It may come from anywhere: each number has its range, each list its length, and nothing is taken that does not fit the
/// rest. What is read is never larger than the file a few times over.
/// </summary>
static class TraceReader
{
    /// <summary>Characters; the longest that is written is a fraction of it.</summary>
    public const int Largest = 32 << 20;

    const int MostProcessors = 4096;
    const int MostDecisions = 100_000;
    const long MostMemory = 1L << 44;
    const int LongestName = 1000;

    public static MigrationTrace Load(string path)
    {
        try
        {
            if (new FileInfo(path).Length > Largest) throw MigrationTrace.Invalid(path, $"it is larger than {Largest} bytes.");
            return Read(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The trace in {path} can't be read: {e.Message}", e);
        }
    }

    public static MigrationTrace Read(string json)
    {
        if (json.Length > Largest) throw MigrationTrace.Invalid("the text", $"it is longer than {Largest} characters.");
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16 });
            return Read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is of text that is no Unicode.
            throw MigrationTrace.Invalid("the text", $"it is no JSON: {e.Message}");
        }
    }

    static MigrationTrace Read(JsonElement root)
    {
        var fields = new TraceFields(root, "", "format", "version", "name", "source", "timestamp", "memory", "processors", "parameters", "setup", "roundTrip", "isCut",
            "decisions", "outcome", "passes");
        if (fields.Text("format") is var format && format != TraceWriter.Format) throw MigrationTrace.Invalid("format", $"it has to be {TraceWriter.Format}.");
        if (fields.Count("version") is var version && version != TraceWriter.Version)
            throw MigrationTrace.Invalid("version", string.Create(CultureInfo.InvariantCulture, $"this release reads version {TraceWriter.Version}, and it is {version}."));
        var memory = new TraceFields(fields.Element("memory"), "memory", "bytes", "regionPages", "used", "owners");
        var trace = new MigrationTrace
        {
            Name = Name(fields), Source = fields.Name<TraceSource>("source"), Timestamp = Date(fields),
            TotalBytes = memory.Count("bytes", MigrationTrace.PageSize, MostMemory),
            RegionPages = memory.Count("regionPages", 1, MostMemory / MigrationTrace.PageSize),
            UsedPages = memory.Counts("used", MigrationTrace.MostRegions, 0, MostMemory / MigrationTrace.PageSize),
            Processors = (int)fields.Count("processors", 0, MostProcessors), Owners = Whole(memory.Counts("owners", MigrationTrace.MostRegions, -1, MostProcessors - 1)),
            Parameters = TraceParameters.Read(fields.Element("parameters")), SetupTime = fields.Seconds("setup"), RoundTrip = fields.Seconds("roundTrip"), IsCut = fields.Flag("isCut"),
            Decisions = [.. fields.Items("decisions", MostDecisions).Select((item, at) => Decision(item, $"decisions[{at}]"))],
            Outcome = Outcome(fields.Element("outcome")),
            Passes = [.. fields.Items("passes", MigrationTrace.MostPasses).Select((item, at) => Pass(item, $"passes[{at}]"))],
        };
        Check(trace);
        return trace;
    }

    static string Name(TraceFields fields) => fields.Text("name") is { Length: > 0 and <= LongestName } name && !name.Any(char.IsControl)
        ? name : throw MigrationTrace.Invalid("name", $"a name of 1 to {LongestName} characters is expected.");

    static DateTime Date(TraceFields fields) =>
        DateTime.TryParse(fields.Text("timestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var date)
            ? date : throw MigrationTrace.Invalid("timestamp", "a date is expected.");

    static MigrationDecision Decision(JsonElement element, string place)
    {
        var fields = new TraceFields(element, place, "time", "what", "from", "to", "reason", "policy", "isObserved");
        return new MigrationDecision(fields.Seconds("time"), fields.Text("what"), fields.Text("from"), fields.Text("to"), fields.Text("reason"))
        {
            Policy = fields.Text("policy"), IsObserved = fields.Flag("isObserved"),
        };
    }

    static TraceOutcome Outcome(JsonElement element)
    {
        var fields = new TraceFields(element, "outcome", "state", "wentOver", "totalTime", "downtime", "bytes", "finalPages", "throttled", "stalled");
        return new TraceOutcome
        {
            State = fields.Name<MigrationStatus>("state"), WentOver = fields.Flag("wentOver"), TotalTime = fields.Seconds("totalTime"),
            Downtime = fields.Seconds("downtime"), TransferredBytes = fields.Count("bytes"), FinalPages = fields.Count("finalPages", 0, MostMemory / MigrationTrace.PageSize),
            ThrottledTime = fields.Times("throttled", MostProcessors), StalledTime = fields.Has("stalled") ? fields.Seconds("stalled") : null,
        };
    }

    static TracePass Pass(JsonElement element, string place)
    {
        var fields = new TraceFields(element, place, "number", "start", "duration", "busy", "normal", "zero", "sparse", "xbzrle", "bytes", "remaining", "dirty",
            "bandwidth", "maxBandwidth", "downtimeLimit", "throttle", "differences", "written", "held", "found", "looked", "lookedAt");
        return new TracePass
        {
            Number = (int)fields.Count("number", 1, int.MaxValue), Start = fields.Seconds("start"), Duration = fields.Seconds("duration"), Busy = fields.Seconds("busy"),
            NormalPages = fields.Count("normal"), ZeroPages = fields.Count("zero"), SparsePages = fields.Count("sparse"), XbzrlePages = fields.Count("xbzrle"),
            Bytes = fields.Count("bytes"), RemainingBytes = fields.Count("remaining"), DirtyPages = fields.Count("dirty", 0, MostMemory),
            Bandwidth = fields.Number("bandwidth"), MaxBandwidth = fields.Count("maxBandwidth"), DowntimeLimit = fields.Seconds("downtimeLimit"),
            ThrottlePercent = (int)fields.Count("throttle", 0, 100), UsesDifferences = fields.Flag("differences"),
            Written = fields.Counts("written", MostProcessors, 0, TraceFields.Most), Held = fields.Times("held", MostProcessors),
            Found = Whole(fields.Counts("found", MigrationTrace.MostRegions, 0, int.MaxValue)),
            Looked = Whole(fields.Counts("looked", MigrationTrace.MostRegions, 0, int.MaxValue)),
            LookedAt = fields.Numbers("lookedAt", MigrationTrace.MostRegions, -1, TraceFields.Longest),
        };
    }

    static int[] Whole(long[] values) => [.. values.Select(value => (int)value)];

    /// <summary>What fits its range alone, and not the rest.</summary>
    static void Check(MigrationTrace trace)
    {
        long pages = trace.TotalBytes / MigrationTrace.PageSize, regions = (pages + trace.RegionPages - 1) / trace.RegionPages;
        if (trace.TotalBytes % MigrationTrace.PageSize != 0) throw MigrationTrace.Invalid("memory.bytes", "it is no multiple of a page.");
        if (trace.UsedPages.Length != regions) throw MigrationTrace.Invalid("memory.used", $"{regions} regions make up the memory, and it has {trace.UsedPages.Length}.");
        if (trace.Owners.Length != 0 && trace.Owners.Length != regions) throw MigrationTrace.Invalid("memory.owners", $"it has none or one for each of {regions} regions.");
        if (Array.Exists(trace.Owners, owner => owner >= trace.Processors)) throw MigrationTrace.Invalid("memory.owners", $"there are {trace.Processors} vCPUs, from 0.");
        for (var region = 0; region < regions; region++)
            if (trace.UsedPages[region] > trace.PagesOf(region)) throw MigrationTrace.Invalid($"memory.used[{region}]", "the region has fewer pages.");
        var before = TimeSpan.Zero;
        for (var at = 0; at < trace.Passes.Length; at++) Check(trace, trace.Passes[at], $"passes[{at}]", (int)regions, ref before);
    }

    static void Check(MigrationTrace trace, TracePass pass, string place, int regions, ref TimeSpan before)
    {
        if (pass.Start < before) throw MigrationTrace.Invalid($"{place}.start", "it is before that of the pass before.");
        before = pass.Start;
        if (pass.Found.Length != 0 && pass.Found.Length != regions) throw MigrationTrace.Invalid($"{place}.found", $"it has none or one for each of {regions} regions.");
        if (pass.Looked.Length != pass.Found.Length) throw MigrationTrace.Invalid($"{place}.looked", "it is as long as found.");
        if (pass.LookedAt.Length != pass.Found.Length) throw MigrationTrace.Invalid($"{place}.lookedAt", "it is as long as found.");
        if (pass.Written.Length != 0 && pass.Written.Length != trace.Processors) throw MigrationTrace.Invalid($"{place}.written", "it has none or one for each vCPU.");
        if (pass.Held.Length != 0 && pass.Held.Length != trace.Processors) throw MigrationTrace.Invalid($"{place}.held", "it has none or one for each vCPU.");
    }
}
