namespace PsMigrate.ModuleTests.Shell;

/// <summary>Ctrl+C, SIGTERM and Remove-Module while a migration runs: the guest stays where it was, the other end is told.</summary>
public sealed class SignalTests
{
    const string Receiver = """
        $r = Start-MigrationReceiver -Uri tcp:127.0.0.1:0
        [Console]::Out.WriteLine("URI $($r.Uri)")
        while (-not (Get-MigrationReceiver $r.Id | Where-Object { $_.FailedCount -or ($_.Incoming | Where-Object State -EQ 'Active') })) { [Threading.Thread]::Sleep(20) }
        [Console]::Out.WriteLine("ACTIVE")
        Wait-MigrationReceiver -Id $r.Id -Count 1 -Timeout 60 | ForEach-Object {
            [Console]::Out.WriteLine("ENDED $($_.State) $(@(Get-MigrationGuest).Count)")
        }
        """;

    // In the foreground, so that the signal stops a pipeline; finally runs on the way out and looks at the guest.
    static string Foreground(string uri) => $$"""
        New-MigrationGuest held -MemorySize 64MB -Workload Random -DirtyRate 10MB -Content Random
        $guest = Get-MigrationGuest held
        try {
            [Console]::Out.WriteLine("STARTS")
            Start-VmMigration held -Destination {{uri}} -MaxBandwidth 4MB
        } finally {
            [Console]::Out.WriteLine("FINALLY $($guest.State) $($guest.IsBusy)")
        }
        """;

    [UnixFact]
    public void Ctrl_C_cancels_the_migration_and_ends_with_130() => Stop("INT", 130);

    [UnixFact]
    public void Sigterm_cancels_the_migration_and_ends_with_143() => Stop("TERM", 143);

    static void Stop(string signal, int exitCode)
    {
        using var receiver = new ShellProcess("-Command", Receiver);
        using var sender = new ShellProcess("-Command", Foreground(receiver.WaitForLine("URI")));
        sender.WaitForLine("STARTS");
        receiver.WaitForLine("ACTIVE");
        sender.Signal(signal);
        Assert.Equal("Running False", sender.WaitForLine("FINALLY"));
        Assert.Equal(exitCode, sender.WaitForExit());
        Assert.Equal("Failed 0", receiver.WaitForLine("ENDED"));
    }

    [Fact]
    public void Remove_Module_during_a_migration_tells_the_receiver_and_ends_cleanly()
    {
        using var receiver = new ShellProcess("-Command", Receiver);
        var uri = receiver.WaitForLine("URI");
        var (exitCode, output) = ShellProcess.Run("-Command", $$"""
            New-MigrationGuest removed -MemorySize 64MB -Workload Random -DirtyRate 10MB -Content Random
            $job = Start-VmMigration removed -Destination {{uri}} -MaxBandwidth 4MB -AsJob
            while ((Get-MigrationState removed).State -eq 'Setup') { [Threading.Thread]::Sleep(20) }
            Remove-Module PsMigrate
            $null = Wait-Job $job -Timeout 30
            [Console]::Out.WriteLine("JOB $($job.State) $($null -eq (Get-Module PsMigrate))")
            exit 7
            """);
        Assert.Contains("JOB Stopped True", output);
        Assert.Equal(7, exitCode);
        Assert.Equal("Failed 0", receiver.WaitForLine("ENDED"));
    }
}
