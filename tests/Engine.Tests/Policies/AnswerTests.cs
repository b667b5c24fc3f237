using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>Somebody is asked about each pass of a real migration, which never waits for an answer, and whose guest arrives as it was or stays.</summary>
public sealed class AnswerTests
{
    static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    /// <summary>Begins one that does not end, and answers passes by what the test says of each.</summary>
    static OutgoingMigration Begin(Rig rig, TimeSpan time, Func<MigrationIteration, string[]> answer)
    {
        rig.Parameters = rig.Parameters with { OnIterationTimeout = time };
        var outgoing = rig.Start();
        var next = 0;
        while (outgoing.TryTakeIteration(ref next, out var iteration, Patience.Limit) && iteration is { IsFinal: false })
            outgoing.Answer(iteration, [.. answer(iteration).Select(text => PolicyAction.Parse(text))], failure: null);
        return outgoing;
    }

    [Fact]
    public void An_answer_raises_the_limit_and_the_migration_ends()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu") with { StartDowntime = 0.001 }, 60_000);
        Begin(rig, Long, pass => pass.Iteration == 3 ? ["DowntimeLimit to 60 s"] : []);
        Assert.True(rig.Finish().Verified);
        var decided = rig.Decided();
        Assert.Equal(("DowntimeLimit", "60 ms", "60000 ms", "OnIteration"), (decided[^1].What, decided[^1].From, decided[^1].To, decided[^1].Policy));
        Assert.Equal("The answer to pass 3.", decided[^1].Reason);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void SwitchOver_is_done_at_the_end_of_the_pass_that_is_on_its_way()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu") with { StartDowntime = 0.001 }, 60_000);
        Begin(rig, Long, pass => pass.Iteration == 2 ? ["SwitchOver"] : []);
        Assert.True(rig.Finish().Verified);
        Assert.Equal(("Switch over", "at the end of this pass"), (rig.Decided()[^1].What, rig.Decided()[^1].To));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void SwitchOver_does_not_go_beyond_what_the_user_allows()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("DowntimeRamp"), 50);
        var outgoing = Begin(rig, Long, pass => pass.Iteration > 6 ? ["Cancel"] : ["SwitchOver"]);
        rig.Finish();
        Assert.Equal(MigrationStatus.Cancelled, outgoing.Status);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Throttles_hold_until_the_end_and_no_longer()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        rig.Parameters = rig.Parameters with { MaxThrottle = 50 };
        Begin(rig, Long, pass => pass.Iteration < 4 ? ["Throttle by 30 %"] : ["Cancel"]);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(["30 %", "50 %"], rig.Decided().Where(one => one.What == "Throttle").Select(one => one.To));
        Assert.All(result.ThrottledTime, time => Assert.True(time > TimeSpan.Zero));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Without_an_answer_the_migration_goes_on_and_says_so_once()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        rig.Parameters = rig.Parameters with { OnIterationTimeout = TimeSpan.FromMilliseconds(1) };
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Current.Iteration > 4, "passes");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        var told = Assert.Single(outgoing.GetState().Decisions, one => one.IsWarning);
        Assert.Equal((MigrationErrorId.OnIterationLate, "OnIteration", "pass 1"), (told.Error!.Value, told.Policy, told.From));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_failure_is_told_with_its_identifier()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        rig.Parameters = rig.Parameters with { OnIterationTimeout = Long };
        var outgoing = rig.Start();
        var next = 0;
        Assert.True(outgoing.TryTakeIteration(ref next, out var iteration, Patience.Limit));
        Assert.True(outgoing.AwaitsAnswer(iteration!));
        Assert.True(outgoing.Answer(iteration!, [], new MigrationException(MigrationErrorId.OnIterationFailed, MigrationSide.User, "No idea.")));
        Assert.False(outgoing.AwaitsAnswer(iteration!));
        Patience.Until(() => outgoing.GetState().Decisions.Any(one => one is { IsWarning: true, Error: MigrationErrorId.OnIterationFailed, Reason: "No idea." }), "the warning");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Nobody_is_asked_where_that_was_not_asked_for()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        var outgoing = rig.Start();
        var next = 0;
        Assert.True(outgoing.TryTakeIteration(ref next, out var iteration, Patience.Limit));
        Assert.False(outgoing.AwaitsAnswer(iteration!));
        Assert.False(outgoing.Answer(iteration!, [PolicyAction.Parse("Cancel")], failure: null));
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }
}
