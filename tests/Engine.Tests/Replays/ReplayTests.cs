using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Replays;

/// <summary>Recorded migrations gone through once more: as they were, and as they would have been.</summary>
public sealed class ReplayTests
{
    const double Mebibyte = 1 << 20;
    const int Pages = 128 * 256;

    [Theory]
    [InlineData(TwinGuest.Idle, 0, 60, 0.3)]
    [InlineData(TwinGuest.Random, 30, 80, 0.1)]
    [InlineData(TwinGuest.Random, 60, 80, 0.3)]
    [InlineData(TwinGuest.Walking, 30, 80, 0.1)]
    [InlineData(TwinGuest.Walking, 55, 80, 0.3)]
    [InlineData(TwinGuest.Walking, 45, 80, 0.2)]
    [InlineData(TwinGuest.HotSpot, 80, 60, 0.1)]
    [InlineData(TwinGuest.Bursts, 60, 80, 0.1)]
    [InlineData(TwinGuest.Quarter, 90, 60, 0.3)]
    [InlineData(TwinGuest.Quarter, 40, 60, 0.1)]
    internal void As_it_was_recorded_it_comes_to_what_it_came_to(TwinGuest guest, double rate, double cap, double downtime)
    {
        for (var seed = 1; seed <= 3; seed++)
        {
            var trace = Twin(guest, rate, cap, downtime, seed).Run();
            Assert.Equal(MigrationStatus.Completed, trace.Outcome.State);
            var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")]).ToArray();
            Assert.Equal(ReplayEnd.SwitchedOver, rows[1].End);
            Assert.InRange(rows[1].TotalTime / trace.Outcome.TotalTime, 0.9, 1.1);
            Assert.InRange((double)rows[1].TransferredBytes / trace.Outcome.TransferredBytes, 0.9, 1.1);
            Assert.InRange(rows[0].ModelError!.Value, 0, 0.1);
        }
    }

    [Theory]
    [InlineData(TwinGuest.Random, 30, 80, 60)]
    [InlineData(TwinGuest.Random, 30, 80, 140)]
    [InlineData(TwinGuest.HotSpot, 80, 60, 90)]
    [InlineData(TwinGuest.Quarter, 40, 60, 100)]
    [InlineData(TwinGuest.Walking, 30, 80, 120)]
    [InlineData(TwinGuest.Bursts, 60, 80, 120)]
    internal void Under_another_limit_it_comes_to_what_it_would_have(TwinGuest guest, double rate, double cap, double other)
    {
        var trace = Twin(guest, rate, cap, 0.1, 1).Run();
        var real = Twin(guest, rate, other, 0.1, 1).Run();
        var row = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")], new ReplayOptions { MaxBandwidth = (long)(other * Mebibyte) }).Last();
        Assert.Equal(ReplayEnd.SwitchedOver, row.End);
        Assert.InRange(row.TotalTime / real.Outcome.TotalTime, 0.8, 1.25);
    }

    [Fact]
    public void What_was_recorded_of_a_slowed_guest_is_what_it_writes_unslowed()
    {
        var plain = Twin(TwinGuest.Random, 20, 80, 0.1, 1).Run();
        var slowed = new RecordingTwin(TwinGuest.Random, Pages, 40 * 256, 1, 80 * Mebibyte, 0.1) { Throttle = _ => 0.5 }.Run();
        var row = MigrationReplays.Compare(slowed, [MigrationPolicy.Find("Qemu")]).Last();
        var really = Twin(TwinGuest.Random, 40, 80, 0.1, 1).Run();
        Assert.InRange(slowed.Outcome.TotalTime / plain.Outcome.TotalTime, 0.93, 1.07);
        Assert.InRange(row.TotalTime / really.Outcome.TotalTime, 0.9, 1.1);
    }

    [Fact]
    public void A_guest_that_never_ends_ends_where_a_policy_slows_it_down()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        Assert.Equal(MigrationStatus.Cancelled, trace.Outcome.State);
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu"), MigrationPolicy.Find("AutoConverge")]).ToArray();
        Assert.Equal([ReplayEnd.Cancelled, ReplayEnd.Never, ReplayEnd.SwitchedOver], rows.Select(row => row.End));
        Assert.Null(rows[0].ModelError);
        Assert.Null(rows[1].Downtime);
        Assert.InRange(rows[2].Slowdown, 0.1, 0.99);
        Assert.Contains(rows[2].Decisions, one => one is { What: "Throttle", From: "0 %", To: "20 %", Policy: "AutoConverge" });
        Assert.Contains("slowed by", rows[2].Answer, StringComparison.Ordinal);
        // Slowed down as that was for real, it takes as long.
        var steps = rows[2].Decisions.Where(one => one.What == "Throttle").Select(one => (one.Time.TotalSeconds, int.Parse(one.To.Split(' ')[0]) / 100.0)).ToArray();
        var twin = new RecordingTwin(TwinGuest.Random, Pages, 200 * 256, 1, 60 * Mebibyte, 0.1)
        {
            Throttle = now => steps.LastOrDefault(step => step.TotalSeconds <= now).Item2,
        };
        Assert.InRange(rows[2].TotalTime / twin.Run().Outcome.TotalTime, 0.85, 1.15);
    }

    [Theory]
    [InlineData("AutoConverge")]
    [InlineData("DirtyLimit")]
    [InlineData("DowntimeRamp")]
    [InlineData("StallAware")]
    public void No_policy_goes_beyond_what_is_allowed(string policy)
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find(policy)], new ReplayOptions { MaxThrottle = 30, MaxDowntime = TimeSpan.FromMilliseconds(150) }).ToArray();
        Assert.InRange(rows[1].Slowdown, 0, 0.3);
        Assert.All(rows[1].Decisions.Where(one => one.What == "DowntimeLimit"), one => Assert.InRange(double.Parse(one.To.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture), 0, 150));
    }

    [Fact]
    public void No_throttle_at_all_is_allowed_too()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10) with { };
        trace = trace with { Parameters = trace.Parameters with { ThrottleInitial = 40 } };
        var row = MigrationReplays.Compare(trace, [MigrationPolicy.Find("AutoConverge")], new ReplayOptions { MaxThrottle = 0 }).Last();
        Assert.Equal((ReplayEnd.Never, 0), (row.End, row.Slowdown));
    }

    [Fact]
    public void Postcopy_ends_what_precopy_does_not_and_costs_the_guest_waits()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var row = MigrationReplays.Compare(trace, [], new ReplayOptions { Postcopy = true }).Last();
        Assert.Equal(("Postcopy", ReplayEnd.WentOver, 1), (row.Policy, row.End, row.Passes.Length));
        Assert.True(row.StalledTime > TimeSpan.Zero);
        Assert.True(row.StalledTime < row.TotalTime);
        // The memory once, and what the first pass left once more.
        Assert.InRange(row.TransferredBytes / (Pages * 4096.0), 1.4, 2.05);
        Assert.Contains("waiting for memory", row.Answer, StringComparison.Ordinal);
        var slow = MigrationReplays.Compare(trace, [], new ReplayOptions { Postcopy = true, Bandwidth = 61 * Mebibyte }).Last();
        Assert.True(slow.StalledTime > row.StalledTime);
        Assert.True(slow.TotalTime > row.TotalTime);
    }

    [Fact]
    public void A_rule_goes_over_only_where_that_is_allowed()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var policy = new MigrationPolicy
        {
            Name = "over", Rules = [new PolicyRule { When = [PolicyCondition.Parse("Elapsed > 4 s")], Then = PolicyAction.Parse("SwitchToPostcopy"), At = PolicyMoment.AnyTime, Once = true }],
        };
        Assert.Equal(ReplayEnd.Never, MigrationReplays.Compare(trace, [policy]).Last().End);
        var row = MigrationReplays.Compare(trace, [policy], new ReplayOptions { Postcopy = true }).ElementAt(1);
        Assert.Equal(ReplayEnd.WentOver, row.End);
        Assert.InRange(row.Decisions.Single().Time.TotalSeconds, 4, 4.2);
    }

    [Fact]
    public void Its_time_ends_it_as_the_user_wants()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var options = new ReplayOptions { Timeout = TimeSpan.FromSeconds(6) };
        Assert.Equal(ReplayEnd.Cancelled, Row(options).End);
        Assert.Equal(ReplayEnd.SwitchedOver, Row(options with { OnTimeout = TimeoutAction.SwitchOver }).End);
        Assert.Equal(ReplayEnd.WentOver, Row(options with { OnTimeout = TimeoutAction.Postcopy, Postcopy = true }).End);
        Assert.InRange(Row(options).TotalTime.TotalSeconds, 6, 6.3);

        PolicyReplay Row(ReplayOptions asked) => MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")], asked).ElementAt(1);
    }

    [Fact]
    public void The_same_trace_gives_the_same()
    {
        var trace = Twin(TwinGuest.HotSpot, 120, 60, 0.1, 3).Run(longest: 20);
        var (one, other) = (Rows(), Rows());
        Assert.Equal(one, other);

        string[] Rows() => [.. MigrationReplays.Compare(trace, MigrationPolicy.BuiltIn).Select(row => $"{row} {row.TotalTime} {row.TransferredBytes} {row.Decisions.Length}")];
    }

    [Fact]
    public void Nothing_to_replay_is_said_at_once()
    {
        var trace = Twin(TwinGuest.Idle, 0, 60, 0.1, 1).Run();
        Assert.Equal(MigrationErrorId.NothingToReplay, Failure(trace with { Passes = [] }, new ReplayOptions()));
        var silent = trace with { Outcome = trace.Outcome with { FinalPages = 0 }, Passes = [.. trace.Passes.Select(pass => pass with { Bandwidth = 0, Busy = TimeSpan.Zero })] };
        Assert.Equal(MigrationErrorId.NothingToReplay, Failure(silent, new ReplayOptions()));
        Assert.NotEmpty(MigrationReplays.Compare(silent, [], new ReplayOptions { Bandwidth = Mebibyte }));
        Assert.Equal(MigrationErrorId.InvalidParameter, Failure(trace, new ReplayOptions { Bandwidth = double.NaN }));
        Assert.Equal(MigrationErrorId.InvalidParameter, Failure(trace, new ReplayOptions { MaxThrottle = 100 }));
        Assert.Equal(MigrationErrorId.InvalidParameter, Failure(trace, new ReplayOptions { MaxDowntime = TimeSpan.Zero }));

        static MigrationErrorId Failure(MigrationTrace trace, ReplayOptions options) =>
            Assert.Throws<MigrationException>(() => MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")], options)).Id;
    }

    static RecordingTwin Twin(TwinGuest guest, double rate, double cap, double downtime, int seed) =>
        new(guest, Pages, rate * 256, seed, cap * Mebibyte, downtime);
}
