using PsMigrate.Engine.Convergence;
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

    [Theory]
    [InlineData(30, 0.1)]
    [InlineData(40, 0.1)]
    [InlineData(60, 0.1)]
    [InlineData(60, 0.03)]
    public void A_first_pass_that_went_on_elsewhere_is_replayed_as_it_went(double rate, double downtime)
    {
        // By address the sender is ahead of the guest all the way, and leaves much; so, it comes behind it at the end.
        var (byAddress, trace) = (Walking(rate, downtime, moves: false), Walking(rate, downtime, moves: true));
        var replay = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")]).Last();
        Assert.True(trace.Passes[0].RemainingBytes < byAddress.Passes[0].RemainingBytes * 0.7, $"{trace.Passes[0]}; by address {byAddress.Passes[0]}");
        Assert.InRange((replay.Passes[0].RemainingBytes - trace.Passes[0].RemainingBytes) / (double)trace.TotalBytes, -0.02, 0.02);
        var order = new ReplayGuest(trace, 0).FirstRound;
        Assert.Equal(Enumerable.Range(0, order.Length), order.Order());
        Assert.NotEqual(Enumerable.Range(0, order.Length), order);
        Assert.Equal(Enumerable.Range(0, order.Length), new ReplayGuest(byAddress, 0).FirstRound);
    }

    [Theory]
    [InlineData(30)]
    [InlineData(40)]
    public void And_it_takes_as_long(double rate)
    {
        var trace = Walking(rate, 0.1, moves: true);
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")]).ToArray();
        Assert.True(trace.Outcome.TotalTime < Walking(rate, 0.1, moves: false).Outcome.TotalTime * 0.95);
        Assert.InRange(rows[1].TotalTime / trace.Outcome.TotalTime, 0.9, 1.1);
    }

    static MigrationTrace Walking(double rate, double downtime, bool moves)
    {
        var twin = Twin(TwinGuest.Walking, rate, 80, downtime, 1);
        if (moves) twin.Move = (0.1, (int)(rate / 80 * Pages) / 64 * 64);
        return twin.Run();
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

    [Theory]
    [InlineData("OnIteration", "The answer to pass 2.", "-OnIteration decided")]
    [InlineData("", "Set-Migration was called.", "Set-Migration changed")]
    [InlineData("", "Complete-Migration was called: it switches over now.", "Complete-Migration had it")]
    public void What_was_decided_on_the_way_is_told_and_not_held_against_the_model(string policy, string reason, string told)
    {
        var trace = Twin(TwinGuest.Random, 20, 80, 0.1, 1).Run();
        MigrationDecision One(double at) => new(TimeSpan.FromSeconds(at), "Throttle", "0 %", "40 %", reason) { Policy = policy };
        var steered = MigrationTrace.FromJson((trace with { Decisions = [One(1), One(1.5), One(2), One(2.5)] }).ToJson());
        var row = MigrationReplays.Compare(steered, []).Single();
        Assert.Null(row.ModelError);
        var words = Assert.Single(row.Assumptions, one => one.StartsWith("While it was recorded", StringComparison.Ordinal));
        Assert.Contains(told, words, StringComparison.Ordinal);
        Assert.Contains("Throttle from 0 % to 40 % after 1.0 s, Throttle from 0 % to 40 % after 1.5 s", words, StringComparison.Ordinal);
        Assert.Contains("and 1 more", words, StringComparison.Ordinal);
    }

    [Fact]
    public void What_had_no_effect_is_no_decision_on_the_way()
    {
        var trace = Twin(TwinGuest.Random, 20, 80, 0.1, 1).Run();
        MigrationDecision One(string what, string from, string to, bool observed = false) => new(TimeSpan.FromSeconds(1), what, from, to, "The answer to pass 2.") { Policy = "OnIteration", IsObserved = observed };
        var row = MigrationReplays.Compare(trace with
        {
            Decisions = [One("OnIteration", "pass 2", "no answer"), One("AutoConverge", "asked for", "refused"), One("Go over", "precopy", "precopy"), One("Throttle", "0 %", "9 %", observed: true)],
        }, []).Single();
        Assert.NotNull(row.ModelError);
        Assert.DoesNotContain(row.Assumptions, one => one.StartsWith("While it was recorded", StringComparison.Ordinal));
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
    public void Adaptive_goes_on_for_a_shorter_stop()
    {
        var trace = new RecordingTwin(TwinGuest.Random, Pages, 2 * 256, 1, 30 * Mebibyte, 0.2).Run();
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu"), MigrationPolicy.Find("Adaptive")]).ToArray();
        Assert.Equal([ReplayEnd.SwitchedOver, ReplayEnd.SwitchedOver], rows[1..].Select(row => row.End));
        Assert.InRange(rows[2].TotalTime / rows[1].TotalTime, 1, 1.125);
        Assert.InRange(rows[2].Downtime!.Value / rows[1].Downtime!.Value, 0, 0.6);
        Assert.Equal(["200 ms", "200 ms"], [rows[2].Decisions[0].From, rows[2].Decisions[^1].To]);
        Assert.All(rows[2].Decisions, one => Assert.Equal(("DowntimeLimit", "Adaptive"), (one.What, one.Policy)));
        // A QEMU switches over by itself.
        var driven = MigrationReplays.Compare(trace with { Source = TraceSource.Qemu }, [MigrationPolicy.Find("Qemu"), MigrationPolicy.Find("Adaptive")]).ToArray();
        Assert.Equal(driven[1].TotalTime, driven[2].TotalTime);
        Assert.Empty(driven[2].Decisions);
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
    public void A_pass_may_take_hours_as_long_as_it_gets_on()
    {
        var trace = Twin(TwinGuest.Idle, 0, 60, 0.1, 1).Run();
        var row = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")], new ReplayOptions { MaxBandwidth = 10_000 }).Last();
        Assert.Equal(ReplayEnd.SwitchedOver, row.End);
        Assert.InRange(row.TotalTime.TotalHours, 3, 4.5);
    }

    [Fact]
    public void What_is_still_to_come_after_hours_is_waited_for()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var timed = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")], new ReplayOptions { Timeout = TimeSpan.FromHours(3) }).Last();
        Assert.Equal(ReplayEnd.Cancelled, timed.End);
        Assert.InRange(timed.TotalTime.TotalHours, 3, 3.01);
        var ruled = MigrationReplays.Compare(trace, [Late("Elapsed > 3 h")], new ReplayOptions { Postcopy = true }).ElementAt(1);
        Assert.Equal(ReplayEnd.WentOver, ruled.End);
        Assert.InRange(ruled.Decisions.Single().Time.TotalHours, 3, 3.01);
    }

    [Fact]
    public void One_that_runs_longer_than_it_is_followed_is_not_said_to_run_for_ever()
    {
        var trace = Twin(TwinGuest.Random, 200, 60, 0.1, 1).Run(longest: 10);
        var row = MigrationReplays.Compare(trace, [Late("Elapsed > 10000 h")]).Last();
        Assert.Equal((ReplayEnd.Unknown, false), (row.End, row.Converged));
        Assert.Contains("not known", row.Answer, StringComparison.Ordinal);
    }

    static MigrationPolicy Late(string when) => new()
    {
        Name = "late", Rules = [new PolicyRule { When = [PolicyCondition.Parse(when)], Then = PolicyAction.Parse("SwitchToPostcopy"), At = PolicyMoment.AnyTime, Once = true }],
    };

    [Fact]
    public void What_a_QEMU_does_not_tell_of_the_link_is_not_made_up()
    {
        var recorded = Twin(TwinGuest.Random, 30, 80, 0.1, 1).Run();
        // Half a gigabyte in 5 ms is what a pass that had not ended looks like.
        var trace = recorded with
        {
            Source = TraceSource.Qemu, Processors = 0, Owners = [], Outcome = recorded.Outcome with { FinalPages = 131_072, Downtime = TimeSpan.FromMilliseconds(5) },
            Passes = [.. recorded.Passes.Select(pass => pass with { Busy = TimeSpan.Zero, Written = [], Held = [], Found = [], Looked = [], LookedAt = [] })],
        };
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")]).ToArray();
        Assert.InRange(TraceLink.Bandwidth(trace) / Mebibyte, 70, 90);
        Assert.Equal(SenderModel.Qemu.Scattered, TraceLink.Sender(trace).Scattered);
        Assert.Contains(rows[0].Assumptions, words => words.Contains("beyond the limit", StringComparison.Ordinal));
        Assert.DoesNotContain(MigrationReplays.Compare(trace, [], new ReplayOptions { Bandwidth = 1e9 }).First().Assumptions, words => words.Contains("beyond the limit", StringComparison.Ordinal));
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
