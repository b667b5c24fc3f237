using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>An end of a postcopy is killed while the two agree on how to go on: the other one says what it has, and what it has not.</summary>
public sealed class RecoveryProcessTests
{
    const long Memory = 16 * TestGuests.MiB;

    public static TheoryData<RecoveryMoment> Moments => [.. Enum.GetValues<RecoveryMoment>()];

    [Theory]
    [MemberData(nameof(Moments))]
    public void A_receiver_killed_there_leaves_it_paused_and_takes_the_guest_with_it(RecoveryMoment moment)
    {
        var (forward, back) = Recovery.HoldUp(moment, Memory);
        using var receiver = OtherProcess.Receiver();
        using var proxy = new FaultProxy(receiver.Uri, forward, back) { Struck = 2 };
        var options = TestGuests.Options(rate: 2 * TestGuests.MiB);
        var guest = TestGuests.Create(options);
        var migration = Migration.Start(guest, proxy.Uri, new MigrationParameters { Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 1, KeepSource = true });
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        var error = Patience.Within(() => RecoverAndKill(migration, proxy, receiver), "the end of the recovery");
        // What was on its way arrives: behind RESUME_ACK it is the postcopy that breaks again, and not its recovery.
        if (moment == RecoveryMoment.ResumeSent) Patience.Until(() => migration.Status == MigrationStatus.PostcopyPaused, "the pause");
        else Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link, GuestLocation.Destination), (error!.Id, error.Side, error.Location!.Value));
        // For all that it knows, the guest runs there.
        Assert.Equal((MigrationStatus.PostcopyPaused, GuestLocation.Destination), (migration.Status, migration.GetState().Location));
        Assert.Equal(CancelOutcome.TooLate, migration.Cancel().Outcome);
        // The link is there, and nobody behind it.
        Assert.Equal(MigrationSide.Link, Assert.Throws<MigrationException>(() => migration.Recover()).Side);
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);

        using var anew = OtherProcess.Receiver(receiver.Uri.Port);
        Failing.With(MigrationErrorId.DestinationRefused, () => migration.Recover());
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        migration.GiveUp();
        Assert.True(guest.MayRunElsewhere);
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (migration.Result!.Error!.Id, migration.Result.Location));
        Assert.NotNull(migration.Result.Error.Phase);
        Assert.Equal(GuestState.Lost, guest.State);
        guest.Resume(force: true);
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
        Reference.AssertIntact(options, guest);
        TestGuests.RemoveAll(options.Host);
    }

    [Theory]
    [MemberData(nameof(Moments))]
    public void A_source_killed_there_loses_the_guest_and_that_is_said(RecoveryMoment moment)
    {
        var (forward, back) = Recovery.HoldUp(moment, Memory);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), RecoverTimeout = TimeSpan.FromSeconds(2) });
        using var proxy = new FaultProxy(receiver.Uri, forward, back) { Struck = 2 };
        using (var source = OtherProcess.SourceInRecovery(proxy.Uri))
        {
            Patience.Until(() => proxy.HasStruck, "the recovery to come so far");
            Assert.Equal(GuestState.Running, Assert.Single(TestGuests.On(receiver.HostName)).State);
            source.Kill();
        }
        proxy.Release();
        Patience.Until(() => receiver.ActiveCount == 0, "the receiver to give up");
        var guest = Assert.Single(TestGuests.On(receiver.HostName));
        Assert.Equal(GuestState.Lost, guest.State);
        var error = Assert.Single(receiver.Arrivals, arrival => arrival.Error?.Id == MigrationErrorId.GuestLost).Error!;
        Assert.Equal(GuestLocation.Lost, error.Location);
        Assert.Contains("pages have not come", error.Message, StringComparison.Ordinal);
        Failing.With(MigrationErrorId.GuestLost, () => guest.Resume(force: true));
        TestGuests.RemoveAll(receiver.HostName);
    }

    /// <summary>Why the recovery failed; null when it did not.</summary>
    static MigrationException? RecoverAndKill(Migration migration, FaultProxy proxy, OtherProcess receiver)
    {
        var killing = Task.Factory.StartNew(() =>
        {
            Patience.Until(() => proxy.HasStruck, "the recovery to come so far");
            receiver.Kill();
            proxy.Release();
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        MigrationException? failed = null;
        try
        {
            migration.Recover();
        }
        catch (MigrationException error)
        {
            failed = error;
        }
        killing.GetAwaiter().GetResult();
        return failed;
    }
}
