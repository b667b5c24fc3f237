using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.Driven;

/// <summary>Guests of every real QEMU at hand.</summary>
public sealed class RealGuestTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void A_real_guest_says_what_it_is(string binary, string machine)
    {
        var uuid = Guid.NewGuid();
        var name = $"real-{uuid:N}";
        using var qemu = new QemuMachine(new QemuOptions(binary)
        {
            Machine = machine, Uuid = uuid, Paused = true, Arguments = ["-smp", "2", "-name", $"guest={name},debug-threads=on"],
        });
        var guest = Connect(qemu);
        try
        {
            var version = qemu.Qmp.QemuVersion;
            Assert.Equal((name, uuid, version, "tcg"), (guest.Name, guest.Uuid, guest.QemuVersion, guest.Accelerator));
            Assert.Equal((64L << 20, 2), (guest.MemorySize, guest.ProcessorCount));
            Assert.StartsWith("pc-", guest.MachineType, StringComparison.Ordinal);
            Assert.EndsWith($"-{version.Major}.{version.Minor}", guest.MachineType, StringComparison.Ordinal);
            Assert.Equal((GuestState.Suspended, "prelaunch"), (guest.State, guest.RunState));
            Assert.Contains(new QemuCapability("postcopy-ram", false), guest.Capabilities);
            Assert.Equal(version.Major < 9, guest.Capabilities.Any(one => one.Name == "compress"));
            Assert.Empty(guest.BlockedReasons);
            qemu.SetCapabilities("events");
            Assert.Contains(new QemuCapability("events", true), guest.Capabilities);
            guest.Resume();
            Assert.Equal((GuestState.Running, "running"), (guest.State, qemu.RunState));
            guest.Suspend();
            Assert.Equal((GuestState.Suspended, "paused"), (guest.State, qemu.RunState));
            // Another client may change it, too.
            qemu.Continue();
            Assert.Equal(GuestState.Running, guest.State);
        }
        finally
        {
            guest.Disconnect();
        }
        Assert.Equal("running", qemu.RunState);
        // The socket is free again.
        Connect(qemu).Disconnect();
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_QEMU_would_resume_after_a_migration_is_not_resumed_here(string binary)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = "pc" });
        var guest = Connect(qemu);
        try
        {
            qemu.Migrate("exec:cat >/dev/null");
            qemu.WaitForMigration();
            Patience.Until(() => guest.State == GuestState.PostMigrate, "the guest has left");
            Failing.With(MigrationErrorId.GuestRunsElsewhere, () => guest.Resume());
            Assert.Equal("postmigrate", qemu.RunState);
            // QEMU itself lets it: the copy runs on.
            guest.Resume(force: true);
            Assert.Equal(("running", GuestState.Running), (qemu.RunState, guest.State));
        }
        finally
        {
            guest.Disconnect();
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_destination_waits_and_can_be_told_to_run_or_not(string binary)
    {
        using var destination = new QemuMachine(new QemuOptions(binary) { Machine = "pc" }.Awaiting());
        var guest = Connect(destination);
        try
        {
            Assert.Equal(GuestState.InMigrate, guest.State);
            guest.Suspend();
            using var source = new QemuMachine(new QemuOptions(binary) { Machine = "pc" });
            source.Migrate(destination.Listen());
            source.WaitForMigration();
            Patience.Until(() => guest.RunState == "paused", "the guest arrives and stands still");
            guest.Resume();
            Assert.Equal(GuestState.Running, guest.State);
        }
        finally
        {
            guest.Disconnect();
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_blocked_guest_says_why(string binary)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary)
        {
            Machine = "pc", Arguments = ["-object", "memory-backend-ram,id=peer,size=1M,share=on", "-device", "ivshmem-plain,memdev=peer"],
        });
        var guest = Connect(qemu);
        try
        {
            Assert.Contains("ivshmem", Assert.Single(guest.BlockedReasons), StringComparison.Ordinal);
        }
        finally
        {
            guest.Disconnect();
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_that_is_killed_is_unreachable_until_another_takes_its_name(string binary)
    {
        var name = $"killed-{Guid.NewGuid():N}";
        using var qemu = new QemuMachine(binary, 16);
        var guest = Connect(qemu, name);
        Assert.Equal((0, "none"), (guest.ProcessorCount, guest.MachineType));
        qemu.Kill();
        Patience.Until(() => guest.State == GuestState.Unreachable, "the loss is noticed");
        Assert.False(guest.IsConnected);
        using var another = new QemuMachine(binary, 16);
        var next = Connect(another, name);
        // The one that has lost its place lets go of nothing but itself.
        guest.Disconnect();
        Assert.Same(next, GuestRegistry.Find("local", name));
        Assert.Equal(GuestState.Running, next.State);
        next.Disconnect();
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_real_guest_is_measured(string binary)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = "pc", Program = new WalkingGuest { Pages = 8192 } });
        qemu.WaitForCounter(8192);
        var guest = Connect(qemu);
        try
        {
            GuestDirtyRate Measure(TimeSpan duration)
            {
                using var measurement = guest.MeasureDirtyRate(new() { Duration = duration, SamplePages = 16384 });
                GuestDirtyRate? rate = null;
                Patience.Until(() => (rate = measurement.TryFinish(TimeSpan.FromMilliseconds(50))) is not null, "the rate");
                return rate!;
            }

            var rate = Measure(TimeSpan.FromSeconds(1));
            Assert.Equal(DirtyRateMode.PageSampling, rate.Mode);
            // Of the 64 MiB half is written.
            Assert.InRange(rate.DirtyRate, 1 << 20, 64 << 20);
            var inSeconds = qemu.Qmp.QemuVersion < new Version(8, 2);
            Assert.Equal((inSeconds ? "second" : "millisecond", 16384), (rate.Qemu!.CalcTimeUnit, rate.Qemu.SamplePages));
            Assert.InRange(rate.Qemu.CalcTime, inSeconds ? 1 : 650, inSeconds ? 1 : long.MaxValue);
            Assert.Equal(inSeconds ? 1 : 4, rate.Curve!.Points.Length);
            Assert.All(rate.Curve.Points, point => Assert.InRange(point.Bytes, 0, 64 << 20));
            Assert.Equal(64 << 20, rate.Curve.TotalBytes);
            Assert.InRange(rate.Curve.ZeroShare!.Value, 0.3, 0.6);
            Assert.InRange(rate.Curve.ZeroPlaces!.Average(), 0.3, 0.6);
            Failing.With(MigrationErrorId.RequiresKvm, () => guest.MeasureDirtyRate(new() { Mode = DirtyRateMode.DirtyBitmap }));
            if (inSeconds) Failing.With(MigrationErrorId.UnsupportedByQemu, () => Measure(TimeSpan.FromMilliseconds(200)));
            else Assert.True(Measure(TimeSpan.FromMilliseconds(220)) is { Duration.TotalMilliseconds: >= 170, Qemu: { CalcTime: >= 170, CalcTimeUnit: "millisecond" } });
            guest.Suspend();
            Assert.Equal(0, Measure(TimeSpan.FromSeconds(1)).DirtyRate);
        }
        finally
        {
            guest.Disconnect();
        }
    }

    static QemuGuest Connect(QemuMachine qemu, string? name = null) =>
        QemuGuest.Connect(qemu.QmpUri, name, host: null, Patience.Limit);
}
