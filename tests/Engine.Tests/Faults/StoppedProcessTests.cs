using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>The receiver's process is stopped for ten seconds: its kernel goes on to take bytes and connections, and nobody answers.</summary>
public sealed class StoppedProcessTests
{
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);
    static readonly TimeSpan Short = TimeSpan.FromSeconds(3);

    [LinuxFact]
    public void In_the_first_pass_it_goes_on_where_the_time_allows()
    {
        using var rig = new ProcessRig();
        rig.Parameters = rig.Parameters with { MaxBandwidth = 10 * TestGuests.MiB };
        using var stopped = new ManualResetEventSlim();
        StopIn(rig, MigrationPhase.Iterate, stopped);
        rig.Start();
        LetGoOn(rig, stopped);
        Assert.True(rig.Finish().Verified);
    }

    [LinuxFact]
    public void In_the_first_pass_it_ends_where_the_time_is_shorter()
    {
        using var rig = new ProcessRig();
        rig.Parameters = rig.Parameters with { MaxBandwidth = 10 * TestGuests.MiB, AnswerTimeout = Short };
        using var stopped = new ManualResetEventSlim();
        StopIn(rig, MigrationPhase.Iterate, stopped);
        var result = rig.Finish();
        Assert.Equal((GuestLocation.Source, MigrationErrorId.PeerSilent, MigrationSide.Link), (result.Location, result.Error!.Id, result.Error.Side));
        LetGoOn(rig, stopped);
        Assert.EndsWith(" 0", rig.Receiver.WaitForLine("Failed "), StringComparison.Ordinal);
        rig.AssertRunsHere();
    }

    [LinuxFact]
    public void With_RUN_on_its_way_it_goes_on_where_the_time_allows()
    {
        using var rig = new ProcessRig();
        using var stopped = new ManualResetEventSlim();
        rig.RunLeaves = () => Stop(rig, stopped);
        rig.Start();
        LetGoOn(rig, stopped);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.True(result.Downtime >= Pause, $"{result.Downtime}");
    }

    [LinuxFact]
    public void With_RUN_on_its_way_it_is_in_doubt_where_the_time_is_shorter_and_then_in_one_place()
    {
        using var rig = new ProcessRig();
        rig.Parameters = rig.Parameters with { AnswerTimeout = Short };
        using var stopped = new ManualResetEventSlim();
        rig.RunLeaves = () => Stop(rig, stopped);
        var result = rig.Finish();
        Assert.Equal((GuestLocation.InDoubt, MigrationErrorId.HandoverInDoubt), (result.Location, result.Error!.Id));
        LetGoOn(rig, stopped);
        var outcome = SettleOutcome.Unknown;
        Patience.Until(() => (outcome = rig.Guest.Settle()) != SettleOutcome.Unknown, "the ends to meet again");
        if (outcome == SettleOutcome.RunsThere)
        {
            Assert.Equal(" 1", rig.Receiver.WaitForLine("Completed "));
            Assert.Equal(GuestState.PostMigrate, rig.Guest.State);
            return;
        }
        Assert.EndsWith(" 0", rig.Receiver.WaitForLine("Failed "), StringComparison.Ordinal);
        rig.AssertRunsHere();
    }

    static void StopIn(ProcessRig rig, MigrationPhase phase, ManualResetEventSlim stopped) => rig.PhaseEntered = entered =>
    {
        if (entered == phase && !stopped.IsSet) Stop(rig, stopped);
    };

    static void Stop(ProcessRig rig, ManualResetEventSlim stopped)
    {
        rig.Receiver.Stop();
        stopped.Set();
    }

    static void LetGoOn(ProcessRig rig, ManualResetEventSlim stopped)
    {
        Patience.For(stopped, "the stop");
        Thread.Sleep(Pause);
        rig.Receiver.Continue();
    }
}
