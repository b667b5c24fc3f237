using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.Driven;

public sealed class QemuGuestTests : IDisposable
{
    readonly FakeQemu _qemu = new();

    public void Dispose()
    {
        foreach (var guest in GuestRegistry.All.OfType<QemuGuest>().Where(guest => guest.Uri == _qemu.Server.Uri)) guest.Disconnect();
        _qemu.Dispose();
    }

    [Fact]
    public void A_guest_is_what_its_QEMU_says()
    {
        var guest = _qemu.Connect();
        Assert.Equal((_qemu.Name, _qemu.Uuid, "local", GuestKind.Qemu), (guest.Name, guest.Uuid, guest.Host, guest.Kind));
        Assert.Equal((65L << 20, 2, "pc-i440fx-10.0", "tcg"), (guest.MemorySize, guest.ProcessorCount, guest.MachineType, guest.Accelerator));
        Assert.Equal((new Version(10, 0, 2), "fake", true), (guest.QemuVersion, guest.QemuPackage, guest.IsConnected));
        Assert.Equal([new QemuCapability("xbzrle", false), new QemuCapability("events", true)], guest.Capabilities);
        Assert.Equal(["a device forbids it"], guest.BlockedReasons);
        Assert.Same(guest, GuestRegistry.Find("local", _qemu.Name!));
        Assert.DoesNotContain("migrate-set-capabilities", _qemu.Server.Received);
    }

    [Theory]
    [InlineData("running", GuestState.Running)]
    [InlineData("paused", GuestState.Suspended)]
    [InlineData("prelaunch", GuestState.Suspended)]
    [InlineData("suspended", GuestState.Suspended)]
    [InlineData("finish-migrate", GuestState.FinishMigrate)]
    [InlineData("postmigrate", GuestState.PostMigrate)]
    [InlineData("inmigrate", GuestState.InMigrate)]
    [InlineData("internal-error", GuestState.Stopped)]
    [InlineData("shutdown", GuestState.Stopped)]
    [InlineData("a state of tomorrow", GuestState.Stopped)]
    public void Run_states_have_a_name_here(string runState, GuestState state)
    {
        var guest = _qemu.Connect();
        _qemu.RunState = runState;
        Assert.Equal((state, runState), (guest.State, guest.RunState));
    }

    [Fact]
    public void A_guest_is_suspended_and_resumed()
    {
        var guest = _qemu.Connect();
        guest.Suspend();
        Assert.Equal(GuestState.Suspended, guest.State);
        guest.Suspend();
        guest.Resume();
        Assert.Equal(GuestState.Running, guest.State);
        guest.Resume();
        Assert.Equal((1, 1), (_qemu.CountOf("stop"), _qemu.CountOf("cont")));
    }

    [Fact]
    public void A_guest_that_migrated_away_is_resumed_with_force_only()
    {
        var guest = _qemu.Connect();
        _qemu.RunState = "postmigrate";
        Assert.Contains("away", Failing.With(MigrationErrorId.GuestRunsElsewhere, () => guest.Resume()).Message, StringComparison.Ordinal);
        Failing.With(MigrationErrorId.GuestRunsElsewhere, () => guest.Claim(this));
        guest.HandOver("tcp:there:1", ramOnly: false);
        Assert.Contains("tcp:there:1", Failing.With(MigrationErrorId.GuestRunsElsewhere, () => guest.Resume()).Message, StringComparison.Ordinal);
        Assert.Equal(0, _qemu.CountOf("cont"));
        guest.Resume(force: true);
        Assert.Equal((GuestState.Running, null), (guest.State, guest.MovedTo));
    }

    [Fact]
    public void A_copy_whose_destination_can_not_run_it_is_resumed()
    {
        var guest = _qemu.Connect();
        _qemu.RunState = "postmigrate";
        guest.HandOver("tcp:there:1", ramOnly: true);
        guest.Resume();
        Assert.Equal(GuestState.Running, guest.State);
    }

    [Fact]
    public void A_guest_in_doubt_is_resumed_once_its_destination_gave_it_up()
    {
        var guest = _qemu.Connect();
        _qemu.RunState = "paused";
        var answer = SettleOutcome.Unknown;
        guest.PutInDoubt("tcp:there:1", _ => answer);
        Assert.Equal((GuestState.InDoubt, "tcp:there:1"), (guest.State, guest.MovedTo));
        Failing.With(MigrationErrorId.GuestInDoubt, () => guest.Resume());
        Failing.With(MigrationErrorId.GuestInDoubt, () => guest.Claim(this));
        answer = SettleOutcome.RunsThere;
        Failing.With(MigrationErrorId.GuestRunsElsewhere, () => guest.Resume());
        Assert.Equal(GuestState.PostMigrate, guest.State);
        guest.PutInDoubt("tcp:there:1", _ => SettleOutcome.Discarded);
        guest.Resume();
        Assert.Equal((GuestState.Running, 1), (guest.State, _qemu.CountOf("cont")));
    }

    [Fact]
    public void A_doubt_survives_the_connection()
    {
        var lost = _qemu.Connect();
        _qemu.RunState = "paused";
        lost.PutInDoubt("tcp:there:1", settle: null);
        _qemu.Server.Drop();
        Patience.Until(() => lost.State == GuestState.Unreachable, "the loss is noticed");
        var guest = _qemu.Connect();
        Assert.Equal((GuestState.InDoubt, "tcp:there:1"), (guest.State, guest.MovedTo));
        Assert.Same(guest, GuestRegistry.Find("local", _qemu.Name!));
        // Another guest of that name is not in doubt.
        _qemu.Server.Drop();
        Patience.Until(() => guest.State == GuestState.Unreachable, "the loss is noticed");
        _qemu.Uuid = Guid.NewGuid();
        Assert.Equal(GuestState.Suspended, _qemu.Connect().State);
    }

    [Fact]
    public void A_guest_that_runs_here_is_here()
    {
        var guest = _qemu.Connect();
        guest.PutInDoubt("tcp:there:1", settle: null);
        Assert.Equal(GuestState.Running, guest.State);
        _qemu.RunState = "paused";
        Assert.Equal((GuestState.Suspended, null), (guest.State, guest.MovedTo));
    }

    [Fact]
    public void One_migration_has_it()
    {
        var guest = _qemu.Connect();
        guest.Claim(this);
        Assert.True(guest.IsBusy);
        Failing.With(MigrationErrorId.GuestBusy, () => guest.Claim(new object()));
        guest.Suspend();
        guest.Resume();
        _qemu.RunState = "finish-migrate";
        Failing.With(MigrationErrorId.GuestBusy, guest.Suspend);
        Failing.With(MigrationErrorId.GuestBusy, () => guest.Resume(force: true));
        guest.Unclaim(new object());
        Assert.True(guest.IsBusy);
        guest.Unclaim(this);
        Assert.False(guest.IsBusy);
    }

    [Fact]
    public void A_guest_that_sleeps_is_not_woken_up_by_cont()
    {
        var guest = _qemu.Connect();
        _qemu.RunState = "suspended";
        Failing.With(MigrationErrorId.UnsupportedByGuest, () => guest.Resume());
        Assert.Equal(0, _qemu.CountOf("cont"));
    }

    [Fact]
    public void What_QEMU_refuses_is_said_in_its_words()
    {
        var guest = _qemu.Connect();
        _qemu.RunState = "shutdown";
        _qemu.Answer("cont", () => throw new Qmp.QmpRefusal("Resetting the Virtual Machine is required"));
        Assert.Contains("Resetting", Failing.With(MigrationErrorId.QemuRefused, () => guest.Resume()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_driven_guest_is_let_go_and_never_removed()
    {
        var guest = _qemu.Connect();
        Failing.With(MigrationErrorId.UnsupportedByGuest, () => GuestRegistry.Remove(guest));
        Assert.True(guest.IsConnected);
        guest.Disconnect();
        Assert.Equal((false, GuestState.Unreachable), (guest.IsConnected, guest.State));
        Assert.Null(GuestRegistry.Find("local", guest.Name));
        Patience.Until(() => !_qemu.Server.HasClient, "the socket is closed");
        Assert.DoesNotContain("quit", _qemu.Server.Received);
    }

    [Fact]
    public void Events_keep_the_state_of_a_QEMU_that_hangs()
    {
        var guest = _qemu.Connect();
        _qemu.Hang("query-status");
        _qemu.Server.Emit("STOP");
        Patience.Until(() => guest.RunState == "paused", "STOP arrives");
        _qemu.Server.Emit("RESUME");
        Patience.Until(() => guest.State == GuestState.Running, "RESUME arrives");
        _qemu.Server.Emit("SHUTDOWN");
        Patience.Until(() => guest.RunState == "shutdown", "SHUTDOWN arrives");
        Assert.True(guest.IsConnected);
    }

    [Fact]
    public void A_QEMU_that_hangs_keeps_a_list_for_a_moment_only()
    {
        var guest = _qemu.Connect();
        _ = guest.Capabilities;
        _qemu.Hang("query-status");
        _qemu.Hang("query-migrate-capabilities");
        // A hundred looks would be fifty seconds if each of them waited.
        var clock = Stopwatch.StartNew();
        for (var look = 0; look < 100; look++)
        {
            Assert.Equal(GuestState.Running, guest.State);
            Assert.Equal(2, guest.Capabilities.Length);
        }
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(25), $"It took {clock.Elapsed}.");
        Patience.Until(() => guest.State == GuestState.Unreachable, "it counts as silent");
        Assert.Contains("not answered", guest.UnreachableReason, StringComparison.Ordinal);
    }
}
