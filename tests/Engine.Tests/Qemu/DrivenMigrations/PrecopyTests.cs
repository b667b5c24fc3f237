using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Real QEMUs at both ends, driven over QMP: the guest stays in one place and whole.</summary>
public sealed class PrecopyTests
{
    /// <summary>With the limits of the start the guest writes faster than is sent, and never goes over.</summary>
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Limits_and_leave_that_come_before_QEMU_has_its_settings_are_not_lost(string binary)
    {
        foreach (var toComplete in new[] { false, true })
        {
            using var pair = new DrivenPair(binary);
            var migration = pair.Start();
            if (toComplete) migration.Complete();
            else migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2)));
            Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_running_guest_goes_over_pass_by_pass(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2)));
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(GuestLocation.Destination, result.Location);
        Assert.True(result.TotalTime > TimeSpan.Zero && result.Downtime > TimeSpan.Zero && result.TransferredBytes > 8192 * 4096);
        var state = migration.GetState();
        Assert.Equal("setup", state.QemuStates[0]);
        Assert.Equal("completed", state.QemuStates[^1]);
        Assert.Equal(100, state.PercentComplete);
        Assert.Equal(PeerKind.Qemu, state.Peer);
        // Two looks at the log within one answer's time make one record.
        Assert.Equal(state.Iterations.Select(one => one.Iteration).Distinct().Order(), state.Iterations.Select(one => one.Iteration));
        Assert.True(state.Iterations[0].NormalPages > 8192 && state.Iterations[0].Bandwidth > 0 && !state.Iterations[0].IsFinal);
        Assert.Equal(state.Iterations[^1].TransferredBytes, state.Iterations.Sum(one => one.Bytes));
        Assert.Contains(state.Decisions, one => one.To == "runs the guest");
        // QEMU says that it is completed a moment before its run state follows.
        Poll.Until(() => pair.Guest.State == GuestState.PostMigrate, "the guest has left its QEMU");
        // The port that the destination chose.
        Assert.Matches(@"^tcp:127\.0\.0\.1:[1-9]\d*$", pair.Guest.MovedTo);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void How_far_it_is_comes_from_its_passes_and_there_is_no_number_while_it_would_not_end(string binary)
    {
        using var pair = new DrivenPair(binary);
        var percents = new List<int>();
        var migration = pair.Start();
        Patience.Until(() => Look() is { RemainingTime: not null }, "an estimate");
        Patience.Until(() => Look() is { PercentComplete: null, RemainingTime: null, State: MigrationStatus.Active, Current.Iteration: > 3 }, "none, for it would not end");
        Patience.Until(() => Look().Levers.Any(lever => lever is { Kind: ForecastLeverKind.MaxDowntime or ForecastLeverKind.MaxBandwidth, Remaining: not null }), "what would help");
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(1000), MaxBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal(100, Look().PercentComplete);
        Assert.Equal(percents.Order(), percents);
        Assert.Equal((result.Downtime, (double?)null), (result.Cost!.Downtime, result.Cost.WriteRateDuring));
        Assert.Contains("QEMU does not count", result.Cost.Unknown, StringComparison.Ordinal);

        MigrationState Look()
        {
            var state = migration.GetState();
            if (state.PercentComplete is { } percent) percents.Add(percent);
            return state;
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_that_stands_arrives_standing(string binary)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        pair.Guest.Suspend();
        var result = DrivenPair.End(pair.Start());
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Equal(TimeSpan.Zero, result.Downtime);
        Assert.Equal("paused", pair.Destination.RunState);
        pair.Destination.Continue();
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Cancelled_in_the_middle_it_runs_on_at_the_source(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        var answer = migration.Cancel();
        Assert.Equal(CancelOutcome.Cancelled, answer.Outcome);
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (migration.Status, answer.Location));
        Assert.Null(migration.Result!.Error);
        Assert.Equal(CancelOutcome.AlreadyEnded, migration.Cancel().Outcome);
        Assert.Equal(["cancelling", "cancelled"], migration.GetState().QemuStates[^2..]);
        Assert.Null(pair.Guest.MovedTo);
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void It_waits_before_the_switch_over_and_goes_on_when_told(string binary)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        var migration = pair.Start(pair.Parameters with { PauseBeforeSwitchover = true, MaxDowntime = TimeSpan.FromSeconds(2) }, $"unix:{Path.GetTempPath()}/psm-{Guid.NewGuid():N}");
        DrivenPair.Await(migration, MigrationStatus.PreSwitchover);
        Assert.Equal(MigrationBottleneck.WaitingForSwitchover, migration.GetState().Bottleneck);
        Assert.Equal("inmigrate", pair.Destination.RunState);
        migration.Complete();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.True(result.DowntimeParts.Waiting > TimeSpan.Zero);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Completed_by_hand_it_switches_over_at_once(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        migration.Complete();
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        Assert.Contains(migration.GetState().Decisions, one => one.What == "downtime-limit");
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Given_up_in_time_it_runs_on_at_the_source(string binary)
    {
        using var pair = new DrivenPair(binary);
        var result = DrivenPair.End(pair.Start(pair.Parameters with { Timeout = TimeSpan.FromSeconds(2) }));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.Timeout), (result.State, result.Location, result.Error?.Id));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    public static TheoryData<string, string> Ways
    {
        get
        {
            var rows = new TheoryData<string, string>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
                foreach (var way in new[] { "channels", "zlib", "xbzrle", "auto-converge", "policy", "no-return-path" }) rows.Add(binary, way);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Ways))]
    public void It_goes_over_in_every_way_that_QEMU_has(string binary, string way)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        var parameters = pair.Parameters with { MaxDowntime = TimeSpan.FromSeconds(1) };
        parameters = way switch
        {
            "channels" => parameters with { Channels = 3 },
            "zlib" => parameters with { Channels = 2, Compression = MigrationCompression.Zlib, CompressionLevel = 1 },
            "xbzrle" => parameters with { Xbzrle = true, XbzrleCacheSize = 16 << 20 },
            "auto-converge" => parameters with { AutoConverge = true, MaxThrottle = 10 },
            "policy" => parameters with
            {
                Policy = MigrationPolicy.Find("AutoConverge"), MaxThrottle = 50, ThrottleInitial = 40, ThrottleIncrement = 5, ThrottleTrigger = 30, ThrottleTailslow = true,
            },
            _ => parameters with { ReturnPath = false },
        };
        var migration = pair.Start(parameters);
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(way == "xbzrle" ? parameters.XbzrleCacheSize : null, migration.GetState().Current.Xbzrle?.CacheSize);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
