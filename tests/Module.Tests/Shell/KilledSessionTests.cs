using System.Diagnostics;

namespace PsMigrate.ModuleTests.Shell;

/// <summary>A psmigrate that is killed while two QEMUs do what it told them; the next one takes it up.</summary>
public sealed class KilledSessionTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-killed-").FullName;
    readonly List<Process> _qemus = [];

    static string? Binary => (Environment.GetEnvironmentVariable("PSMIGRATE_QEMU")?.Split(Path.PathSeparator)
            ?? Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "qemu-system-x86_64")))
        .FirstOrDefault(File.Exists);

    [QemuFact]
    public void The_next_session_finds_the_migration_and_ends_it()
    {
        var (source, destination) = (StartQemu("source"), StartQemu("destination", "-incoming", "defer"));
        using (var killed = new ShellProcess("-Command", $$"""
            $null = Connect-MigrationGuest {{source}} -Name killed
            $null = Start-VmMigration killed tcp:127.0.0.1:0 -DestinationQmp {{destination}} -PauseBeforeSwitchover -AsJob
            while ((Get-MigrationState -Name killed).State -ne 'PreSwitchover') { [Threading.Thread]::Sleep(20) }
            [Console]::Out.WriteLine("READY")
            [Threading.Thread]::Sleep(600000)
            """))
        {
            killed.WaitForLine("READY");
            killed.Signal("KILL");
            killed.WaitForExit();
        }
        using var next = new ShellProcess("-Command", $$"""
            $null = Connect-MigrationGuest {{source}} -Name killed
            $state = Get-MigrationState -Name killed
            [Console]::Out.WriteLine("FOUND $($state.State) $($state.IsAdopted)")
            Complete-Migration -Name killed
            Wait-Migration $state.Id -Timeout 60 | Out-Null
            $result = (Get-MigrationState $state.Id).Result
            [Console]::Out.WriteLine("RESULT $($result.State) $($result.Location)")
            [Console]::Out.WriteLine("SOURCE $((Get-MigrationGuest killed).State)")
            $there = Connect-MigrationGuest {{destination}} -Name arrived
            while ($there.State -eq 'InMigrate') { [Threading.Thread]::Sleep(20) }
            [Console]::Out.WriteLine("HELD $($there.State)")
            Resume-MigrationGuest arrived
            [Console]::Out.WriteLine("RESUMED $($there.State)")
            """);
        Assert.Equal("PreSwitchover True", next.WaitForLine("FOUND"));
        Assert.Equal("Completed Destination", next.WaitForLine("RESULT"));
        Assert.Equal("PostMigrate", next.WaitForLine("SOURCE"));
        Assert.Equal("Suspended", next.WaitForLine("HELD"));
        Assert.Equal("Running", next.WaitForLine("RESUMED"));
        Assert.Equal(0, next.WaitForExit());
    }

    public void Dispose()
    {
        foreach (var qemu in _qemus)
        {
            qemu.Kill();
            qemu.WaitForExit();
            qemu.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Its QMP address, once it listens there.</summary>
    string StartQemu(string name, params string[] more)
    {
        var socket = Path.Combine(_folder, name);
        _qemus.Add(Process.Start(Binary!, ["-M", "pc", "-m", "64M", "-accel", "tcg", "-nodefaults", "-display", "none",
            "-qmp", $"unix:{socket},server=on,wait=off", .. more]));
        for (var clock = Stopwatch.StartNew(); !File.Exists(socket); Thread.Sleep(20))
            Assert.True(clock.Elapsed.TotalSeconds < 60 && !_qemus[^1].HasExited, "QEMU does not listen.");
        return $"unix:{socket}";
    }

    [AttributeUsage(AttributeTargets.Method)]
    sealed class QemuFactAttribute : FactAttribute
    {
        public QemuFactAttribute() => Skip = Binary is null ? "No QEMU: PSMIGRATE_QEMU or the search path." : null;
    }
}
