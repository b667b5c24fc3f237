using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>What is shown of what a QEMU says, at the end and beyond it.</summary>
public sealed class ScriptedFiguresTests
{
    [Fact]
    public void Figures_that_QEMU_forgets_at_a_cancel_stay_as_they_were()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start();
        qemu.Pass(1, transferred: 1000, normal: 10, xbzrle: 1);
        Patience.Until(() => migration.GetState().Current.TransferredBytes == 1000, "the first figures");
        qemu.Pass(2, transferred: 3000, normal: 25, xbzrle: 7);
        Assert.True(migration.TryTakeIteration(out _, Patience.Limit));
        migration.Cancel();
        Assert.True(migration.TryTakeIteration(out var last, Patience.Limit) && last.IsFinal);
        Assert.Equal((0, 7, 25, 3000), (last.Pages, last.XbzrlePages, last.NormalPages, last.TransferredBytes));
    }

    [Fact]
    public void Words_of_QEMU_are_fit_to_be_shown()
    {
        using var qemu = new ScriptedSource { Error = "\u001b[31m" + new string('x', 100_000) };
        var migration = qemu.Start();
        qemu.Report("failed");
        var message = DrivenPair.End(migration).Error!.Message;
        Assert.DoesNotContain('\u001b', message);
        Assert.InRange(message.Length, 1, 2000);
    }

    [Fact]
    public void A_migration_that_is_given_up_does_not_go_over_to_postcopy()
    {
        using var qemu = new ScriptedSource();
        qemu.Fake.Answer("migrate_cancel", () => new System.Text.Json.Nodes.JsonObject());
        var migration = qemu.Start(new MigrationParameters { Postcopy = true });
        qemu.Report("active");
        Patience.Until(() => migration.Status == MigrationStatus.Active, "it is active");
        migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)));
        Patience.Until(() => qemu.Fake.CountOf("migrate_cancel") == 1, "it is given up");
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(migration.SwitchToPostcopy).Id);
        Assert.Equal(0, qemu.Fake.CountOf("migrate-start-postcopy"));
        qemu.Report("cancelled");
        Assert.Equal(MigrationErrorId.Timeout, DrivenPair.End(migration).Error!.Id);
    }

    const long MiB = 1 << 20;

    static MigrationPolicy Policy(string then, PolicyMoment at = PolicyMoment.PassEnd) =>
        new() { Name = "own", StartDowntime = 0.1, Rules = [new PolicyRule { Then = PolicyAction.Parse(then), At = at, Once = true }] };

    [Fact]
    public void Levers_count_from_what_the_user_allows()
    {
        using var qemu = new ScriptedSource();
        // Each pass leaves what fits the limit of the user, and not that of the policy.
        ForecastPass[] passes = [.. new[] { 10, 1, 0.3, 0.1 }.Select((seconds, i) => new ForecastPass(i + 1, TimeSpan.FromSeconds(seconds), 3 * MiB, 3 * MiB))];
        var migration = qemu.Start(new MigrationParameters
        {
            MaxDowntime = TimeSpan.FromSeconds(1), Policy = Policy("Throttle to 0 %") with { Rules = [] },
            Promise = new MigrationPromise { Verdict = ForecastVerdict.Converges, Passes = passes },
        });
        qemu.Pass(1, transferred: MiB, normal: 256, remaining: 64 * MiB, mbps: 80);
        Patience.Until(() => migration.GetState().Current.Qemu.DirtySyncCount == 1, "the first pass");
        Assert.Equal(TimeSpan.FromSeconds(0.1), migration.GetState().Current.DowntimeLimit);
        Assert.Empty(migration.GetState().Levers);
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(0.2)));
        Assert.InRange(Assert.Single(migration.GetState().Levers, lever => lever.Kind == ForecastLeverKind.MaxDowntime).Value, 300, 700);
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void What_holds_it_up_is_the_limit_that_counts()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(new MigrationParameters
        {
            MaxBandwidth = 100 * MiB, MaxPostcopyBandwidth = 10 * MiB, Postcopy = true, Policy = Policy("Bandwidth to 10 MB/s", PolicyMoment.AnyTime),
        });
        qemu.Pass(1, transferred: MiB, normal: 256, mbps: 80);
        Patience.Until(() => migration.GetState().Bottleneck == MigrationBottleneck.BandwidthCapped, "the limit of the policy");
        Assert.Contains("by the policy", migration.GetState().Advice, StringComparison.Ordinal);
        Assert.Empty(migration.GetState().Levers.Where(lever => lever.Kind == ForecastLeverKind.MaxBandwidth));
        qemu.Report("postcopy-active");
        DrivenPair.Await(migration, MigrationStatus.PostcopyActive);
        Assert.Equal(MigrationBottleneck.BandwidthCapped, migration.GetState().Bottleneck);
        Assert.Contains("-MaxPostcopyBandwidth", migration.GetState().Advice, StringComparison.Ordinal);
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_copy_can_not_be_kept_here()
    {
        using var qemu = new ScriptedSource();
        var error = Assert.Throws<MigrationException>(() =>
            Migration.Start(qemu.Guest, MigrationUri.Parse("tcp:127.0.0.1:9"), new MigrationParameters { KeepSource = true }));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, error.Id);
        Assert.False(qemu.Guest.IsBusy);
    }

    [Theory]
    [InlineData("10.0")]
    [InlineData("PsMigrate")]
    public void What_is_at_the_destination_can_not_be_said(string peer)
    {
        using var qemu = new ScriptedSource();
        var error = Assert.Throws<MigrationException>(() =>
            Migration.Start(qemu.Guest, MigrationUri.Parse("tcp:127.0.0.1:9"), new MigrationParameters { Channels = 2 }.WithPeer(peer)));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, error.Id);
        Assert.Contains("-PeerVersion", error.Message, StringComparison.Ordinal);
        Assert.False(qemu.Guest.IsBusy);
    }

    [Fact]
    public void One_of_somebody_else_ends_here_with_its_guest_let_go()
    {
        using var qemu = new ScriptedSource();
        qemu.Pass(2, transferred: 3000, normal: 25);
        var migration = Migration.Adopt(qemu.Guest)!;
        Patience.Until(() => migration.Status == MigrationStatus.Active, "it is followed");
        qemu.Guest.Disconnect();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.QmpConnectionLost, GuestLocation.InDoubt), (result.Error!.Id, result.Location));
        Assert.Equal(0, qemu.Fake.CountOf("migrate_cancel"));
        Patience.Until(() => !qemu.Fake.Server.HasClient, "the socket is free");
    }

    [Theory]
    [InlineData("completed", "postmigrate", MigrationStatus.Completed, GuestLocation.Destination)]
    [InlineData("completed", "running", MigrationStatus.Completed, GuestLocation.Source)]
    [InlineData("failed", "running", MigrationStatus.Failed, GuestLocation.Source)]
    [InlineData("cancelled", "running", MigrationStatus.Cancelled, GuestLocation.Source)]
    public void One_that_was_over_before_is_taken_up_as_it_ended(string status, string runState, MigrationStatus state, GuestLocation location)
    {
        using var qemu = new ScriptedSource();
        qemu.Pass(2, transferred: 3000, normal: 25);
        qemu.Report(status);
        qemu.RunState = runState;
        var migration = Migration.Adopt(qemu.Guest)!;
        var result = DrivenPair.End(migration);
        Assert.Equal((state, location), (result.State, result.Location));
        Assert.True(migration.IsAdopted && !qemu.Guest.IsBusy);
        if (runState == "running") qemu.Guest.Suspend();
        if (location == GuestLocation.Source) qemu.Guest.Resume();
        else Assert.Equal(MigrationErrorId.GuestRunsElsewhere, Assert.Throws<MigrationException>(() => qemu.Guest.Resume()).Id);
    }
}
