using System.Diagnostics;
using System.Globalization;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>QEMU to QEMU on this machine, both started for one migration; memories are compared when the clock has stopped.</summary>
static class QemuToQemu
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>A paused machine without vCPUs.</summary>
    public static MigrationRun Migrate(QemuOptions machine, bool isPrefaulted, MigrationParameters? asked = null, bool isUnix = false)
    {
        using var target = new Qemu(machine.Awaiting(isPrefaulted));
        using var source = new Qemu(machine);
        if (!isPrefaulted && machine.Image is not null) FreeMemory.Settle();
        var run = Time(source, target, asked ?? new MigrationParameters(), isUnix, Limit)
            ?? throw new BenchException($"QEMU's migration did not end in {Limit.TotalSeconds} s.");
        SavedMemory.CheckSame(target, machine.Bytes, machine.Image?.Memory);
        return run;
    }

    /// <summary>The bytes that such a migration puts on the link; with compressed channels QEMU itself counts the pages.</summary>
    public static long CountBytes(QemuOptions machine, MigrationParameters asked)
    {
        using var target = new Qemu(machine.Awaiting(isPrefaulted: false));
        using var source = new Qemu(machine);
        var port = Iperf.FreePort();
        target.Set(asked);
        source.Set(asked);
        target.Listen(Loopback(port));
        using var relay = new CountingRelay(port);
        source.Migrate(Loopback(relay.Port));
        Completed(source);
        SavedMemory.CheckSame(target, machine.Bytes, machine.Image?.Memory);
        return relay.Bytes;
    }

    /// <summary>A machine whose guest writes, and runs for a while before it is migrated. Null when it had not ended by the limit; then it never will.</summary>
    public static MigrationRun? MigrateRunning(QemuOptions machine, MigrationParameters asked, TimeSpan settle, TimeSpan? limit = null)
    {
        using var target = new Qemu(machine.Awaiting(isPrefaulted: false));
        using var source = new Qemu(machine);
        source.Ticks!.AwaitWalk(Limit);
        Thread.Sleep(settle);
        var run = Time(source, target, asked, isUnix: false, limit ?? Limit);
        if (run is null) return null;
        target.Ticks!.AwaitFirst(Limit);
        target.Stop();
        machine.Program!.Check(target);
        return run with { Blackout = Stopwatch.GetElapsedTime(source.Ticks.Last, target.Ticks.First) };
    }

    /// <summary>A paused machine without vCPUs to a receiver of ours.</summary>
    public static MigrationRun MigrateTo(ReceiverProcess receiver, QemuOptions machine, string digest)
    {
        using var source = new Qemu(machine);
        source.Set(new MigrationParameters());
        var cpu = source.Cpu;
        source.Migrate(receiver.Uri.ToString());
        var info = Completed(source);
        var sourceCpu = source.Cpu - cpu;
        var arrival = receiver.ReadArrival(digest);
        return new MigrationRun(info.TotalTime!.Value, info.Downtime ?? TimeSpan.Zero, info.Ram?.Transferred ?? 0, sourceCpu, arrival.Cpu);
    }

    /// <summary>A suspended guest of ours to a QEMU that was started for it, its memory touched.</summary>
    public static MigrationRun MigrateFrom(SourceGuest source)
    {
        using var target = new Qemu(new QemuOptions(SourceGuest.Size).Awaiting(isPrefaulted: true));
        var uri = target.FreeAddress(isUnix: false);
        target.Set(new MigrationParameters());
        target.Listen(uri);
        var cpu = target.Cpu;
        var run = source.Send(MigrationUri.Parse(uri), new MigrationParameters());
        var targetCpu = target.Cpu - cpu;
        SavedMemory.CheckSame(target, SourceGuest.Size, source.Guest.Memory);
        return run with { TargetCpu = targetCpu };
    }

    static MigrationRun? Time(Qemu source, Qemu target, MigrationParameters asked, bool isUnix, TimeSpan limit)
    {
        var uri = target.FreeAddress(isUnix);
        target.Set(asked);
        source.Set(asked);
        target.Listen(uri);
        var (sourceCpu, targetCpu) = (source.Cpu, target.Cpu);
        source.Migrate(uri);
        if (source.WaitCompleted(limit) is not { } info) return null;
        return new MigrationRun(info.TotalTime!.Value, info.Downtime ?? TimeSpan.Zero, info.Ram?.Transferred ?? 0, source.Cpu - sourceCpu, target.Cpu - targetCpu);
    }

    static string Loopback(int port) => string.Create(CultureInfo.InvariantCulture, $"tcp:127.0.0.1:{port}");

    static QemuMigrationInfo Completed(Qemu source) =>
        source.WaitCompleted(Limit) ?? throw new BenchException($"QEMU's migration did not end in {Limit.TotalSeconds} s.");
}
