using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>An end of a postcopy is killed, stopped, or cut off again and again, while the guest runs at the destination.</summary>
public sealed class PostcopyProcessTests
{
    /// <summary>Little comes but what the guest asks for, and that is a part of its memory: the rest is here until the limit is lifted.</summary>
    static readonly MigrationParameters Slow = new()
    {
        Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 64 << 10, ConnectTimeout = TimeSpan.FromSeconds(20),
    };

    readonly GuestOptions _options = TestGuests.Options(rate: 2 * TestGuests.MiB) with
    {
        Content = GuestContent.Random, ContentSize = 12 * TestGuests.MiB, WorkingSet = 4 * TestGuests.MiB,
    };

    [Fact]
    public void A_receiver_killed_while_pages_follow_takes_the_guest_with_it()
    {
        using var receiver = OtherProcess.Receiver();
        var guest = TestGuests.Create(_options);
        var migration = Migration.Start(guest, receiver.Uri, Slow);
        Await(migration, MigrationStatus.PostcopyActive);
        receiver.Kill();
        Await(migration, MigrationStatus.PostcopyPaused);
        // Nobody is there; that may change.
        Failing.With(MigrationErrorId.ConnectionRefused, () => migration.Recover());
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        using var anew = OtherProcess.Receiver(receiver.Uri.Port);
        Failing.With(MigrationErrorId.DestinationRefused, () => migration.Recover());
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        migration.GiveUp();
        Assert.True(guest.MayRunElsewhere);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Lost, MigrationErrorId.GuestLost), (migration.Status, migration.Result!.Location, migration.Result.Error!.Id));
        Assert.NotEqual(GuestState.Running, guest.State);
        Assert.ThrowsAny<MigrationException>(() => guest.Resume());
        guest.Resume(force: true);
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
        Reference.AssertIntact(_options, guest);
        TestGuests.RemoveAll(_options.Host);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_source_killed_while_pages_follow_loses_the_guest_and_that_is_said(bool isPaused)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), RecoverTimeout = TimeSpan.FromSeconds(2) });
        using (var source = OtherProcess.SourceInPostcopy(receiver.Uri, isPaused)) source.Kill();
        Patience.Until(() => receiver.ActiveCount == 0, "the receiver to give up");
        var guest = Assert.Single(TestGuests.On(receiver.HostName));
        Assert.Equal(GuestState.Lost, guest.State);
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (receiver.Arrivals[^1].Error!.Id, receiver.Arrivals[^1].Error!.Location!.Value));
        TestGuests.RemoveAll(receiver.HostName);
    }

    [LinuxFact]
    public void A_receiver_that_stands_for_ten_seconds_goes_on()
    {
        using var receiver = OtherProcess.Receiver();
        var guest = TestGuests.Create(_options);
        var migration = Migration.Start(guest, receiver.Uri, Slow);
        Await(migration, MigrationStatus.PostcopyActive);
        receiver.Stop();
        Thread.Sleep(10_000);
        receiver.Continue();
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (migration.Status, migration.Result!.Location));
        Assert.Equal(" 1", receiver.WaitForLine("Completed "));
        TestGuests.RemoveAll(_options.Host);
    }

    [LinuxTheory]
    [InlineData(60)]
    [InlineData(3)]
    public void A_source_that_stands_for_ten_seconds_goes_on(int idleSeconds)
    {
        // Where the receiver has less patience, the link is broken when the source goes on, which makes it anew.
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), IdleTimeout = TimeSpan.FromSeconds(idleSeconds) });
        using var source = OtherProcess.SourceInPostcopy(receiver.Uri, isPaused: false);
        var guest = Assert.Single(TestGuests.On(receiver.HostName));
        source.Stop();
        var since = Stopwatch.StartNew();
        if (idleSeconds < 10) Patience.Until(() => receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause");
        Thread.Sleep(Math.Max(0, 10_000 - (int)since.ElapsedMilliseconds));
        Assert.Equal(GuestState.Running, guest.State);
        source.Continue();
        Patience.Until(() => receiver.ArrivedCount == 1, "the guest");
        Assert.Same(guest, Assert.Single(TestGuests.On(receiver.HostName)));
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
        Reference.AssertIntact(OtherEnd.PostcopyOptions, guest);
        TestGuests.RemoveAll(receiver.HostName);
    }

    [Fact]
    public void A_link_that_is_cut_ten_times_while_the_guest_runs_and_asks_for_pages()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        using var proxy = new FaultProxy(receiver.Uri);
        var guest = TestGuests.Create(_options);
        var migration = Migration.Start(guest, proxy.Uri, Slow);
        var random = new Random(3);
        for (var cut = 0; cut < 10; cut++)
        {
            Await(migration, MigrationStatus.PostcopyActive);
            Thread.Sleep(random.Next(150));
            proxy.Cut();
            Await(migration, MigrationStatus.PostcopyPaused);
            Recover(migration);
        }
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (migration.Status, migration.Result!.Location));
        Patience.Until(() => receiver.ActiveCount == 0, "the receiver to be through");
        var arrived = Assert.Single(TestGuests.On(receiver.HostName));
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(_options, arrived);
        TestGuests.RemoveAll(_options.Host, receiver.HostName);
    }

    static void Await(Migration migration, MigrationStatus status) =>
        Patience.Until(() => migration.Status == status || migration.IsEnded, $"{status}, and it is {migration.Status}");

    /// <summary>The other end may not have noticed yet that the link broke.</summary>
    static void Recover(Migration migration) => Patience.Until(() =>
    {
        try
        {
            migration.Recover();
            return true;
        }
        catch (MigrationException e) when (e.Id is MigrationErrorId.ConnectionLost or MigrationErrorId.DestinationRefused && migration.Status == MigrationStatus.PostcopyPaused)
        {
            return false;
        }
    }, "the recovery");
}
