using System.Diagnostics;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>QEMU to QEMU on this machine: both started new, so the destination's memory is cold.</summary>
static class QemuPair
{
    // Far above what any loopback does: no limit.
    const long Unlimited = 100_000_000_000;

    static string Program => Environment.GetEnvironmentVariable("PSMIGRATE_QEMU") is { Length: > 0 } named ? named : "qemu-system-x86_64";

    /// <summary>
    /// Migrates a paused machine without vCPUs over tcp loopback, and returns query-migrate's total-time. With an image the
    /// source's RAM is a private copy of that file, made before the clock starts (prealloc breaks the sharing page by page);
    /// without one it was never written.
    /// </summary>
    public static TimeSpan Migrate(long bytes, RamImage? image)
    {
        var folder = Directory.CreateTempSubdirectory("bench-qemu-");
        try
        {
            var (sourcePath, targetPath) = (Path.Combine(folder.FullName, "s"), Path.Combine(folder.FullName, "d"));
            var uri = $"tcp:127.0.0.1:{Iperf.FreePort()}";
            using var target = Child.Start(Program, [.. Common(bytes, targetPath), "-M", "none", "-incoming", uri]);
            using var source = Child.Start(Program, [.. Common(bytes, sourcePath), .. image is null ? ["-M", "none"] : Backed(bytes, image)]);
            using var targetQmp = Connect(target, targetPath);
            using var sourceQmp = Connect(source, sourcePath);
            sourceQmp.Execute("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = Unlimited });
            FreeMemory.Settle();
            sourceQmp.Execute("migrate", new JsonObject { ["uri"] = uri });
            var time = WaitCompleted(sourceQmp);
            image?.CheckSame(path => targetQmp.Execute("pmemsave", new JsonObject { ["val"] = 0, ["size"] = bytes, ["filename"] = path }, TimeSpan.FromMinutes(2)));
            return time;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Migrates a small pc whose vCPU runs (TCG), and returns what is asked of the source afterwards.</summary>
    public static T MigrateRunning<T>(long bytes, Func<QmpClient, T> ask)
    {
        var folder = Directory.CreateTempSubdirectory("bench-qemu-");
        try
        {
            var (sourcePath, targetPath) = (Path.Combine(folder.FullName, "s"), Path.Combine(folder.FullName, "d"));
            var uri = $"tcp:127.0.0.1:{Iperf.FreePort()}";
            string[] machine = ["-M", "pc", "-accel", "tcg"];
            using var target = Child.Start(Program, [.. Common(bytes, targetPath), .. machine, "-incoming", uri]);
            using var source = Child.Start(Program, [.. Common(bytes, sourcePath), .. machine]);
            using var targetQmp = Connect(target, targetPath);
            using var sourceQmp = Connect(source, sourcePath);
            targetQmp.Execute("cont");
            sourceQmp.Execute("cont");
            // The firmware is through with its work.
            Thread.Sleep(2000);
            sourceQmp.Execute("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = Unlimited });
            sourceQmp.Execute("migrate", new JsonObject { ["uri"] = uri });
            WaitCompleted(sourceQmp);
            return ask(sourceQmp);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static string[] Common(long bytes, string qmp) =>
        ["-m", $"{bytes >> 20}M", "-nodefaults", "-display", "none", "-S", "-qmp", $"unix:{qmp},server=on,wait=off"];

    static string[] Backed(long bytes, RamImage image) =>
    [
        "-object", $"memory-backend-file,id=ram,size={bytes},mem-path={image.Path},share=off,prealloc=on,x-use-canonical-path-for-ramblock-id=off",
        "-M", "none,memory-backend=ram",
    ];

    static QmpClient Connect(Child qemu, string path)
    {
        for (var clock = Stopwatch.StartNew(); !File.Exists(path); Thread.Sleep(20))
            if (qemu.HasExited || clock.Elapsed > TimeSpan.FromSeconds(30)) throw new BenchException($"QEMU did not start: {qemu.Errors}");
        return QmpClient.Connect(MigrationUri.Parse($"unix:{path}"), TimeSpan.FromSeconds(30));
    }

    static TimeSpan WaitCompleted(QmpClient qmp)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(120); Thread.Sleep(50))
        {
            var state = QemuMigrationInfo.Query(qmp);
            // `completed` shows a total-time of 0 for an instant.
            if (state is { Status: MigrationStatus.Completed, TotalTime: { Ticks: > 0 } time }) return time;
            if (state.Status is MigrationStatus.Failed or MigrationStatus.Cancelled)
                throw new BenchException($"QEMU's migration {state.StatusText}: {state.ErrorDescription}");
        }
        throw new BenchException("QEMU's migration did not end in 120 s.");
    }
}
