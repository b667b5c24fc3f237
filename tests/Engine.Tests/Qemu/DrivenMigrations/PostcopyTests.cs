using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Real QEMUs in postcopy: over at once, broken and mended, and never back.</summary>
public sealed class PostcopyTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_that_outruns_the_link_goes_over_and_its_memory_follows(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = pair.StartFirstPass(Postcopy(pair));
        migration.SwitchToPostcopy();
        Assert.Equal(CancelOutcome.TooLate, migration.Cancel().Outcome);
        DrivenPair.Await(migration, MigrationStatus.PostcopyActive);
        Poll.Until(() => pair.Destination.RunState == "running", "the guest runs at the destination");
        Assert.Equal(CancelOutcome.TooLate, migration.Cancel().Outcome);
        Assert.Equal(GuestLocation.Destination, migration.GetState().Location);
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Contains("postcopy-active", migration.GetState().QemuStates);
        Assert.True(result.Downtime < result.TotalTime);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Paused_on_purpose_it_goes_on_at_another_port(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = InPostcopy(pair);
        migration.Pause();
        DrivenPair.Await(migration, MigrationStatus.PostcopyPaused);
        Assert.False(migration.IsEnded);
        Poll.Until(() => pair.Destination.MigrationStatus == "postcopy-paused", "the destination is paused too");
        migration.Recover();
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Contains("postcopy-paused", migration.GetState().QemuStates);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_broken_link_is_mended(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = InPostcopy(pair);
        // Not by migrate-pause at the source: the destination's end of the link breaks.
        pair.Destination.Execute("migrate-pause");
        DrivenPair.Await(migration, MigrationStatus.PostcopyPaused);
        Poll.Until(() => pair.Destination.MigrationStatus == "postcopy-paused", "the destination is paused too");
        migration.Recover(MigrationUri.Parse("tcp:127.0.0.1:0"));
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_destination_that_listens_again_already_is_met_there(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = InPostcopy(pair);
        migration.Pause();
        DrivenPair.Await(migration, MigrationStatus.PostcopyPaused);
        Poll.Until(() => pair.Destination.MigrationStatus == "postcopy-paused", "the destination is paused too");
        pair.Destination.Execute("migrate-recover", new { uri = "tcp:127.0.0.1:0" });
        migration.Recover();
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void By_its_mode_it_goes_over_by_itself(string binary)
    {
        foreach (var (mode, after) in new[] { (MigrationMode.Postcopy, 1), (MigrationMode.Hybrid, 1), (MigrationMode.Hybrid, 3) })
        {
            using var pair = new DrivenPair(binary);
            var migration = pair.Start(Postcopy(pair) with { Mode = mode, PostcopyAfter = after, MaxPostcopyBandwidth = 0 });
            var result = DrivenPair.End(migration);
            Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
            var state = migration.GetState();
            Assert.Contains("postcopy-active", state.QemuStates);
            var decision = Assert.Single(state.Decisions, one => one.What == "Mode");
            Assert.True(decision.IsWarning);
            Assert.StartsWith($"-Mode {mode}", decision.Reason, StringComparison.Ordinal);
            if (mode == MigrationMode.Hybrid) Assert.InRange(state.Current.Qemu.DirtySyncCount, after + 1, int.MaxValue);
            DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_link_that_breaks_is_mended_by_itself_with_retries(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = InPostcopy(pair, Postcopy(pair) with { Retries = 3, RetryDelay = TimeSpan.FromMilliseconds(500) });
        pair.Destination.Execute("migrate-pause");
        Poll.Until(() => migration.GetState().Decisions.Any(one => one.What == "Recovery" && one.Reason.Contains("by itself", StringComparison.Ordinal)), "a recovery");
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, 1), (result.State, result.Attempts.Length));
        Assert.Contains("postcopy-paused", migration.GetState().QemuStates);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_destination_that_ends_takes_the_guest_with_it(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = InPostcopy(pair);
        pair.Destination.Kill();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Lost), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.GuestLost, result.Error!.Id);
        Assert.NotEqual("running", pair.Source.RunState);
        Assert.Equal(GuestState.Lost, pair.Guest.State);
        Assert.Equal(MigrationErrorId.GuestLost, Assert.Throws<MigrationException>(() => pair.Guest.Resume()).Id);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_postcopy_needs_is_said_before(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(migration.SwitchToPostcopy).Id);
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(migration.Pause).Id);
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(() => migration.Recover()).Id);
        migration.Cancel();
        var error = Assert.Throws<MigrationException>(() => pair.Start(Postcopy(pair) with { Channels = 2 }));
        Assert.Equal(MigrationErrorId.UnsupportedByQemu, error.Id);
        Assert.Contains("10.1 has it", error.Message, StringComparison.Ordinal);
        Assert.False(pair.Guest.IsBusy);
    }

    static MigrationParameters Postcopy(DrivenPair pair) => pair.Parameters with { Postcopy = true, MaxPostcopyBandwidth = 200_000 };

    static Migration InPostcopy(DrivenPair pair, MigrationParameters? parameters = null)
    {
        var migration = pair.StartFirstPass(parameters ?? Postcopy(pair));
        migration.SwitchToPostcopy();
        Poll.Until(() => pair.Destination.RunState == "running", "the guest runs at the destination");
        DrivenPair.Await(migration, MigrationStatus.PostcopyActive);
        return migration;
    }
}
