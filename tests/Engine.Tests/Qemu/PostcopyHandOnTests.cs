using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>
/// A machine of a QEMU that was captured goes over by postcopy to another QEMU, which runs it before its memory is there: its processors ask
/// for pages, and it goes on from where it stopped.
/// </summary>
public sealed class PostcopyHandOnTests : IDisposable
{
    // What it touches comes as fast as it asks for it: one so slow does not have its memory for many seconds.
    static readonly WalkingGuest Program = new() { First = 16 << 20, Pages = 8192, Delay = 1_500_000, Seed = 9 };

    static readonly MigrationParameters Over = new() { Postcopy = true, Mode = MigrationMode.Postcopy };

    readonly Folder _folder = new();
    readonly List<IDisposable> _owned = [];

    public static TheoryData<string, bool, bool> Ways
    {
        get
        {
            var rows = new TheoryData<string, bool, bool>();
            foreach (var binary in QemuRows.Binaries)
                foreach (var withQmp in new[] { false, true })
                    foreach (var withPreempt in new[] { false, true }) rows.Add(binary, withQmp, withPreempt);
            return rows;
        }
    }

    [PostcopyTheory]
    [MemberData(nameof(Ways))]
    public void It_runs_there_while_its_memory_follows(string binary, bool withQmp, bool withPreempt)
    {
        var (guest, counter) = Capture(binary);
        var there = Awaiting(binary, withPreempt);
        var migration = Start(guest, there, there.Listen(), withQmp, withPreempt);
        AwaitActive(migration, there);
        AwaitRuns(there);
        Assert.Equal(GuestLocation.Destination, migration.GetState().Location);
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        AssertArrived(migration, there, counter);
    }

    [PostcopyTheory]
    [MemberData(nameof(Ways))]
    public void Over_a_link_that_breaks_twice(string binary, bool withQmp, bool withPreempt)
    {
        var (guest, counter) = Capture(binary);
        var there = Awaiting(binary, withPreempt);
        var port = MigrationUri.Parse(there.Listen());
        // What its processors ask for goes past the main channel where it can. Whoever has its QMP makes it listen by itself, at the address that the source connects to.
        var proxy = withQmp ? null : Own(new FaultProxy(port, new LinkFault(LinkFaultKind.Cut, withPreempt ? 300_077 : 2_000_077)));
        var migration = Start(guest, there, (proxy?.Uri ?? port).ToString(), withQmp, withPreempt);
        for (var i = 0; i < 2; i++)
        {
            if (withQmp || i == 1)
            {
                AwaitActive(migration, there);
                // Some releases end when a link is cut while the thread of their preempt channel only wakes up.
                var since = migration.GetState().Current.TransferredBytes;
                Patience.Until(() => migration.GetState().Current.TransferredBytes >= since + (64 << 10), "more pages");
            }
            if (withQmp) migration.Pause();
            else if (i == 1) proxy!.Cut();
            Await(migration, MigrationStatus.PostcopyPaused);
            there.WaitForMigration("postcopy-paused");
            AwaitRuns(there);
            Assert.Equal(GuestLocation.Destination, migration.GetState().Location);
            if (!withQmp) there.AwaitRecovery(port.ToString());
            if (i == 1) migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
            migration.Recover();
        }
        AssertArrived(migration, there, counter);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void When_the_QEMU_dies_behind_the_package_the_guest_is_lost(string binary)
    {
        var (guest, _) = Capture(binary);
        var there = Awaiting(binary);
        var migration = Start(guest, there, there.Listen(), withQmp: false, withPreempt: false);
        AwaitActive(migration, there);
        there.Kill();
        Await(migration, MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.Destination, migration.GetState().Location);
        migration.GiveUp();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Lost, MigrationErrorId.GuestLost), (migration.Status, migration.Result!.Location, migration.Result.Error!.Id));
        Assert.Equal(GuestState.Lost, guest.State);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Cut_before_the_package_it_stays_and_goes_over_to_another_one(string binary)
    {
        var (guest, counter) = Capture(binary);
        var broken = Awaiting(binary);
        // Within the package, which no QEMU uses before it is whole.
        var proxy = Own(new FaultProxy(MigrationUri.Parse(broken.Listen()), new LinkFault(LinkFaultKind.Cut, 3000)));
        var migration = Start(guest, broken, proxy.Uri.ToString(), withQmp: true, withPreempt: false);
        Assert.True(migration.Wait(Patience.Limit), "The migration hangs.");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (migration.Status, migration.Result!.Location));
        Assert.Equal(GuestState.Suspended, guest.State);
        Poll.Until(() => broken.HasExited, "that QEMU gives up");
        var there = Awaiting(binary);
        migration = Start(guest, there, there.Listen(), withQmp: false, withPreempt: false);
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        AssertArrived(migration, there, counter);
    }

    T Own<T>(T one) where T : IDisposable
    {
        _owned.Add(one);
        return one;
    }

    static QemuOptions Options(string binary) => new(binary) { Machine = "pc", Program = Program };

    (MemoryGuest Guest, long Counter) Capture(string binary)
    {
        using var source = new QemuMachine(Options(binary));
        source.WaitForCounter(100);
        source.EnsureConverge();
        source.Migrate($"exec:cat > {_folder["qemu"]}");
        source.WaitForMigration();
        return (_folder.Restore("qemu"), source.PhysicalCounter());
    }

    QemuMachine Awaiting(string binary, bool withPreempt = false)
    {
        var there = Own(new QemuMachine(Options(binary).Awaiting()));
        there.SetCapabilities(["postcopy-ram", .. withPreempt ? ["postcopy-preempt"] : Array.Empty<string>()]);
        return there;
    }

    // Little comes but what its processors ask for.
    static Migration Start(MemoryGuest guest, QemuMachine there, string to, bool withQmp, bool withPreempt) => Migration.Start(guest, MigrationUri.Parse(to), Over with
    {
        KeepSource = true,
        MaxPostcopyBandwidth = 256 << 10,
        PostcopyPreempt = withPreempt,
        PeerVersion = withPreempt && !withQmp ? there.Qmp.QemuVersion : null,
        DestinationQmp = withQmp ? there.QmpUri.ToString() : null,
    });

    static void AwaitActive(Migration migration, QemuMachine there)
    {
        Await(migration, MigrationStatus.PostcopyActive);
        there.WaitForMigration("postcopy-active");
    }

    static void Await(Migration migration, MigrationStatus status)
    {
        for (var clock = Stopwatch.StartNew(); migration.Status != status; Thread.Sleep(5))
            if (clock.Elapsed > Patience.Limit || migration.Result is not null)
                Assert.Fail($"The migration is {migration.Status} in {migration.GetState().Phase} and not {status}: {migration.Result}");
    }

    static void AwaitRuns(QemuMachine there) => Poll.Until(() => there.RunState == "running", "the guest runs there");

    static void AssertArrived(Migration migration, QemuMachine there, long since)
    {
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs: {migration.Status} in {migration.GetState().Phase}.");
        var state = migration.GetState();
        Assert.True(state.Error is null, $"{state.Error}");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, PeerKind.Qemu), (state.State, state.Location, state.Peer));
        there.WaitForMigration();
        AwaitRuns(there);
        Assert.True(there.PhysicalCounter() >= since, "The guest went back in time.");
        there.WaitForCounter(100);
        there.Stop();
        Program.AssertConsistent(there.Memory());
    }

    public void Dispose()
    {
        foreach (var one in _owned) one.Dispose();
        _folder.Dispose();
    }
}
