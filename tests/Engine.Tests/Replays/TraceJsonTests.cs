using System.Text;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Replays;

/// <summary>Traces in files: what is written is read, and what comes from elsewhere does no harm.</summary>
public sealed class TraceJsonTests
{
    static readonly string Json = new RecordingTwin(TwinGuest.HotSpot, 64 * 64, 4000, 1, 2 << 20, 0.1).Run().ToJson();

    [Fact]
    public void What_is_written_is_read()
    {
        var read = MigrationTrace.FromJson(Json);
        Assert.Equal(Json, read.ToJson());
        Assert.True(read.Passes.Length > 1);
        Assert.Equal("Qemu", read.Parameters.Policy!.Name);
        Assert.Contains(read.Passes, pass => pass.Curve.Length > 3);
    }

    [Fact]
    public void A_file_is_written_and_read()
    {
        var path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.trace.json");
        try
        {
            MigrationTrace.FromJson(Json).Save(path);
            Assert.Equal(Json, MigrationTrace.Load(path).ToJson());
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Equal(MigrationErrorId.FileFailed, Assert.Throws<MigrationException>(() => MigrationTrace.Load(path)).Id);
        Assert.Equal(MigrationErrorId.FileFailed, Assert.Throws<MigrationException>(() => MigrationTrace.FromJson(Json).Save(Path.Combine(path, "x"))).Id);
    }

    public static TheoryData<string, string, string> Wrong => new()
    {
        { "format", "\"psmigrate-policy\"", "format" },
        { "version", "2", "version" },
        { "name", "\"\"", "name" },
        { "name", "null", "name" },
        { "source", "\"Elsewhere\"", "source" },
        { "timestamp", "\"soon\"", "timestamp" },
        { "memory/bytes", "0", "memory.bytes" },
        { "memory/bytes", "1e300", "memory.bytes" },
        { "memory/bytes", "4097", "memory.bytes" },
        { "memory/regionPages", "0", "memory.regionPages" },
        { "memory/regionPages", "1", "memory.used" },
        { "memory/used/3", "65", "memory.used[3]" },
        { "memory/used/3", "-1", "memory.used[3]" },
        { "memory/owners/0", "1", "memory.owners" },
        { "memory/owners", "[0]", "memory.owners" },
        { "processors", "1000000", "processors" },
        { "setup", "-1", "setup" },
        { "isCut", "0", "isCut" },
        { "parameters/policy/rules", "[{\"then\":\"Explode\"}]", "parameters" },
        { "parameters/maxThrottle", "101", "parameters.maxThrottle" },
        { "parameters/maxDowntime", "1e9", "parameters.maxDowntime" },
        { "parameters/maxDowntime", "0", "parameters" },
        { "parameters/mode", "\"Hybrid\"", "parameters" },
        { "parameters/surprise", "1", "parameters" },
        { "outcome/state", "7", "outcome.state" },
        { "outcome/totalTime", "\"long\"", "outcome.totalTime" },
        { "passes/1/start", "-0.5", "passes[1].start" },
        { "passes/1/start", "0", "" },
        { "passes/2/start", "0", "passes[2].start" },
        { "passes/0/duration", "1e12", "passes[0].duration" },
        { "passes/0/found", "[1,2]", "passes[0].found" },
        { "passes/0/looked", "[]", "passes[0].looked" },
        { "passes/0/lookedAt/5", "-2", "passes[0].lookedAt[5]" },
        { "passes/0/found/5", "1.5", "passes[0].found[5]" },
        { "passes/0/written", "[1,2]", "passes[0].written" },
        { "passes/0/throttle", "101", "passes[0].throttle" },
        { "passes/0/bytes", "9223372036854775807", "passes[0].bytes" },
        { "passes", "{}", "passes" },
        { "decisions", "[{}]", "decisions[0].time" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_is_wrong_is_named_with_its_place(string path, string value, string place)
    {
        var root = JsonNode.Parse(Json)!;
        var steps = path.Split('/');
        var node = root;
        foreach (var step in steps[..^1]) node = int.TryParse(step, out var index) ? node[index]! : node[step]!;
        if (int.TryParse(steps[^1], out var last)) node[last] = JsonNode.Parse(value);
        else node[steps[^1]] = JsonNode.Parse(value);
        if (place.Length == 0)
        {
            Assert.NotNull(MigrationTrace.FromJson(root.ToJsonString()));
            return;
        }
        var error = Assert.Throws<MigrationException>(() => MigrationTrace.FromJson(root.ToJsonString()));
        Assert.Equal((MigrationErrorId.InvalidTrace, MigrationSide.User), (error.Id, error.Side));
        Assert.Contains($"The trace can't be used: {place}:", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("nonsense")]
    [InlineData("{\"format\":\"psmigrate-trace\",\"format\":\"psmigrate-trace\"}")]
    [InlineData("{\"format\":\"\\ud800\"}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")]
    public void What_is_no_trace_is_said_to_be_none(string text) =>
        Assert.Equal(MigrationErrorId.InvalidTrace, Assert.Throws<MigrationException>(() => MigrationTrace.FromJson(text)).Id);

    [Fact]
    public void Passes_without_end_are_refused_before_they_are_read()
    {
        var at = Json.IndexOf("\"passes\":[\n", StringComparison.Ordinal) + "\"passes\":[\n".Length;
        var pass = Json[at..Json.IndexOf(",\n", at, StringComparison.Ordinal)];
        var many = Json[..at] + string.Join(",\n", Enumerable.Repeat(pass, MigrationTrace.MostPasses + 1)) + "\n]}";
        Assert.Contains("passes", Assert.Throws<MigrationException>(() => MigrationTrace.FromJson(many)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_is_changed_it_is_replayed_or_refused(int seed)
    {
        var random = new Random(seed);
        string[] pieces = ["0", "-1", "9", "e9", "1e308", "null", "[]", "{}", "\"", ",", "]", "}", "true", "0.0000001", "1152921504606846976", "NaN"];
        var replayed = 0;
        for (var round = 0; round < 150; round++)
        {
            var text = new StringBuilder(Json);
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                var at = random.Next(text.Length);
                if (random.Next(3) == 0) text.Remove(at, Math.Min(random.Next(1, 40), text.Length - at));
                else if (random.Next(2) == 0) text[at] = (char)('0' + random.Next(10));
                else text.Insert(at, pieces[random.Next(pieces.Length)]);
            }
            replayed += Replay(text.ToString());
        }
        // Else it would prove nothing.
        Assert.InRange(replayed, 1, 150);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void Numbers_that_have_their_ranges_and_no_sense_are_replayed_or_refused(int seed)
    {
        var random = new Random(seed);
        double[] values = [0, 1, 1e-9, 3, 64, 99, 1e3, 1e6, 1e8, 1L << 40, 1L << 60];
        for (var round = 0; round < 60; round++)
        {
            var root = JsonNode.Parse(Json)!;
            for (var change = 0; change < 30; change++) Change(root, random, values);
            Replay(root.ToJsonString());
        }
    }

    [Theory]
    [InlineData(1e-9)]
    [InlineData(1)]
    [InlineData(1e18)]
    public void A_trace_of_what_can_hardly_be_is_replayed_all_the_same(double bandwidth)
    {
        var trace = MigrationTrace.FromJson(Json);
        var vast = trace with
        {
            Passes = [.. trace.Passes.Select((pass, at) => pass with
            {
                Start = TimeSpan.FromSeconds(1e6 * at), Duration = TimeSpan.FromSeconds(at % 2 == 0 ? 1e6 : 0), Bytes = 1 << 20, Found = [.. pass.Found.Select(_ => int.MaxValue)],
            })],
        };
        foreach (var one in new[] { trace, vast, trace with { TotalBytes = 1L << 44, RegionPages = 1L << 26 } })
            Assert.All(MigrationReplays.Compare(one, MigrationPolicy.BuiltIn, new ReplayOptions { Bandwidth = bandwidth, Postcopy = true, MaxBandwidth = 0 }), row => Assert.True(row.TotalTime > TimeSpan.Zero));
    }

    static void Change(JsonNode node, Random random, double[] values)
    {
        var value = values[random.Next(values.Length)];
        JsonNode number = value == Math.Floor(value) ? (long)value : value;
        if (node is JsonArray { Count: > 0 } list)
        {
            var at = random.Next(list.Count);
            if (list[at] is JsonValue) list[at] = number;
            else if (list[at] is { } inner) Change(inner, random, values);
        }
        else if (node is JsonObject { Count: > 0 } fields)
        {
            var (name, field) = fields.ElementAt(random.Next(fields.Count));
            if (field is JsonValue one && one.GetValueKind() == System.Text.Json.JsonValueKind.Number) fields[name] = number;
            else if (field is JsonArray or JsonObject) Change(field, random, values);
        }
    }

    /// <summary>1 where it was replayed; 0 where that was refused, by an error of ours.</summary>
    static int Replay(string json)
    {
        try
        {
            var trace = MigrationTrace.FromJson(json);
            foreach (var row in MigrationReplays.Compare(trace, [MigrationPolicy.Find("AutoConverge")], new ReplayOptions { Postcopy = true, Timeout = TimeSpan.FromSeconds(20) }))
            {
                Assert.True(row.TotalTime >= TimeSpan.Zero);
                Assert.True(row.TransferredBytes >= 0);
                Assert.InRange(row.Slowdown, 0, 1);
            }
            return 1;
        }
        catch (MigrationException error) when (error.Id is MigrationErrorId.InvalidTrace or MigrationErrorId.NothingToReplay or MigrationErrorId.InvalidParameter)
        {
            return 0;
        }
    }
}
