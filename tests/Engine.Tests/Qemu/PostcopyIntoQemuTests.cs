using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A guest of ours goes over to a real QEMU by postcopy, over a link that breaks and is made anew; its memory is compared page by page.</summary>
public sealed class PostcopyIntoQemuTests : IDisposable
{
    const int Megabytes = 64;

    static readonly MigrationParameters Over = new() { Postcopy = true, Mode = MigrationMode.Postcopy };

    readonly List<IDisposable> _owned = [];
    readonly GuestOptions _options = TestGuests.Options(size: Megabytes * TestGuests.MiB, rate: 100 * TestGuests.MiB);

    public static TheoryData<string, bool> Both
    {
        get
        {
            var rows = new TheoryData<string, bool>();
            foreach (var binary in QemuRows.Binaries)
                foreach (var other in new[] { false, true }) rows.Add(binary, other);
            return rows;
        }
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Right_after_the_setup(string binary)
    {
        var qemu = Awaiting(binary);
        var state = AssertArrived(Start(qemu, Over), qemu);
        Assert.Contains("-Mode Postcopy", Assert.Single(state.Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
        Assert.Contains("READY and RUN", state.Result!.LeftOut);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void After_some_passes(string binary)
    {
        var qemu = Awaiting(binary);
        var state = AssertArrived(Start(qemu, Over with
        {
            Mode = MigrationMode.Hybrid, PostcopyAfter = 2, MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 64 << 20,
        }), qemu);
        Assert.Contains("2 passes have ended", Assert.Single(state.Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void When_it_is_told_to(string binary)
    {
        var qemu = Awaiting(binary);
        var migration = Start(qemu, Over with { Mode = MigrationMode.Precopy, MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 32 << 20 });
        Patience.Until(() => migration.GetState() is { State: MigrationStatus.Active } state && (state.Current.Pages > 600 || state.Current.Iteration > 1), "some pages");
        migration.SwitchToPostcopy();
        var state = AssertArrived(migration, qemu);
        Assert.Contains("Switch-Migration", Assert.Single(state.Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
    }

    [PostcopyTheory]
    [MemberData(nameof(Both))]
    public void Over_a_link_that_breaks_twice(string binary, bool withPreempt)
    {
        var qemu = Awaiting(binary, withPreempt);
        var port = MigrationUri.Parse(qemu.Listen());
        // Behind the package, in the middle of a page.
        var proxy = Own(new FaultProxy(port, new LinkFault(LinkFaultKind.Cut, (5 << 20) + 1234)));
        var migration = Start(proxy.Uri, Slow(Over, qemu, withPreempt));
        AwaitPause(migration, qemu);
        qemu.AwaitRecovery(port.ToString());
        migration.Recover();
        AwaitActive(migration, qemu);
        // Some releases end when a link is cut while the thread of their preempt channel only wakes up.
        AwaitBytes(migration, 1 << 20);
        proxy.Cut();
        AwaitPause(migration, qemu);
        qemu.AwaitRecovery(port.ToString());
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        migration.Recover();
        var state = AssertArrived(migration, qemu);
        Assert.Equal(2, state.Decisions.Count(one => one is { What: "Recovery", To: "connected" }));
    }

    [PostcopyTheory]
    [MemberData(nameof(Both))]
    public void Paused_on_purpose_twice_it_is_recovered_over_QMP(string binary, bool withPreempt)
    {
        var qemu = Awaiting(binary, withPreempt);
        var migration = Start(qemu, Slow(Over, qemu, withPreempt) with { DestinationQmp = qemu.QmpUri.ToString(), PeerVersion = null });
        for (var i = 0; i < 2; i++)
        {
            AwaitActive(migration, qemu);
            AwaitBytes(migration, 1 << 20);
            migration.Pause();
            Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
            Assert.Equal(GuestLocation.RamOnly, migration.GetState().Location);
            if (i == 1) migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
            migration.Recover();
        }
        AssertArrived(migration, qemu);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_a_preempt_channel(string binary)
    {
        var qemu = Awaiting(binary, withPreempt: true);
        AssertArrived(Start(qemu, Over with { PostcopyPreempt = true, PeerVersion = ReleaseOf(qemu) }), qemu);
    }

    [PostcopyTheory]
    [MemberData(nameof(Both))]
    public void Pages_that_are_asked_for_come_although_nothing_else_may(string binary, bool withPreempt)
    {
        var qemu = Awaiting(binary, withPreempt);
        // A QEMU since 8.0 shows no memory while it is incoming; its guests ask for pages all the same.
        if (ReleaseOf(qemu) >= new Version(8, 0)) return;
        var migration = Start(qemu, Over with { MaxPostcopyBandwidth = 1, PostcopyPreempt = withPreempt, PeerVersion = withPreempt ? ReleaseOf(qemu) : null });
        AwaitActive(migration, qemu);
        var ram = Guest.Memory.Ram;
        for (long page = ram.Pages - 1; page > 0; page -= 500)
            Assert.Empty(RamImage.Differences(qemu.Memory(page * GuestMemory.PageSize, GuestMemory.PageSize), ram.Page(page)));
        Assert.Equal(MigrationStatus.PostcopyActive, migration.Status);
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        AssertArrived(migration, qemu);
    }

    [PostcopyTheory]
    [MemberData(nameof(Both))]
    public void A_QEMU_that_is_not_set_for_it_leaves_the_guest_here(string binary, bool isAsked)
    {
        var qemu = Own(new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes }.Awaiting()));
        var migration = Start(qemu, Over with { DestinationQmp = isAsked ? qemu.QmpUri.ToString() : null });
        Assert.True(migration.Wait(Patience.Limit), "The migration hangs.");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (migration.Status, migration.Result!.Location));
        Assert.Equal(isAsked, migration.Result.Error!.Id == MigrationErrorId.EndsDisagree);
        AssertRunsHere();
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void When_the_QEMU_dies_the_guest_goes_on_here_since_it_never_ran_there(string binary)
    {
        var qemu = Awaiting(binary);
        var migration = Start(qemu, Over with { MaxPostcopyBandwidth = 1 });
        AwaitActive(migration, qemu);
        qemu.Kill();
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyPaused, "the pause");
        Failing.With(MigrationErrorId.ConnectionRefused, () => migration.Recover());
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        migration.GiveUp();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (migration.Status, migration.Result!.Location));
        AssertRunsHere();
    }

    MemoryGuest Guest => field ??= TestGuests.Create(_options);

    T Own<T>(T one) where T : IDisposable
    {
        _owned.Add(one);
        return one;
    }

    QemuMachine Awaiting(string binary, bool withPreempt = false)
    {
        var qemu = Own(new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes }.Awaiting()));
        qemu.SetCapabilities(["postcopy-ram", .. withPreempt ? ["postcopy-preempt"] : Array.Empty<string>()]);
        return qemu;
    }

    Migration Start(QemuMachine qemu, MigrationParameters parameters) => Start(MigrationUri.Parse(qemu.Listen()), parameters);

    Migration Start(MigrationUri to, MigrationParameters parameters) => Migration.Start(Guest, to, parameters with { KeepSource = true });

    static MigrationParameters Slow(MigrationParameters parameters, QemuMachine qemu, bool withPreempt) => parameters with
    {
        MaxPostcopyBandwidth = 2 << 20, PostcopyPreempt = withPreempt, PeerVersion = withPreempt ? ReleaseOf(qemu) : null,
    };

    static Version ReleaseOf(QemuMachine qemu) => qemu.Qmp.QemuVersion;

    static void AwaitActive(Migration migration, QemuMachine qemu)
    {
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "postcopy here");
        qemu.WaitForMigration("postcopy-active");
    }

    static void AwaitBytes(Migration migration, long more)
    {
        var since = migration.GetState().Current.TransferredBytes;
        Patience.Until(() => migration.GetState().Current.TransferredBytes >= since + more, "more pages");
    }

    static void AwaitPause(Migration migration, QemuMachine qemu)
    {
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyPaused, "the pause here");
        Assert.Equal(GuestLocation.RamOnly, migration.GetState().Location);
        qemu.WaitForMigration("postcopy-paused");
    }

    MigrationState AssertArrived(Migration migration, QemuMachine qemu)
    {
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs: {migration.Status} in {migration.GetState().Phase}.");
        var state = migration.GetState();
        Assert.True(state.Error is null, $"{state.Error}");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.RamOnly, PeerKind.Qemu), (state.State, state.Location, state.Peer));
        qemu.WaitForMigration();
        Assert.Empty(RamImage.Differences(qemu.Memory(), Guest.Memory.Ram.Span(0, (int)Guest.MemorySize)));
        Assert.Equal(GuestState.PostMigrate, Guest.State);
        Assert.False(Guest.IsBusy);
        Reference.AssertIntact(_options, Guest);
        return state;
    }

    void AssertRunsHere()
    {
        Assert.Equal(GuestState.Running, Guest.State);
        Assert.False(Guest.IsBusy);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(_options, Guest);
    }

    public void Dispose()
    {
        foreach (var one in _owned) one.Dispose();
        TestGuests.RemoveAll(_options.Host);
    }
}
