namespace PsMigrate.ModuleTests.Shell;

/// <summary>A guest that goes to another process: what is known of it there.</summary>
public sealed class TwoProcessesTests
{
    [Fact]
    public void What_it_writes_after_the_migration_is_asked_of_the_receiver()
    {
        using var receiver = new ShellProcess("-Command", """
            $r = Start-MigrationReceiver -Uri tcp:127.0.0.1:0
            [Console]::Out.WriteLine("URI $($r.Uri)")
            [Threading.Thread]::Sleep(600000)
            """);
        var (exitCode, output) = ShellProcess.Run("-Command", $$"""
            $null = New-MigrationGuest away -MemorySize 16MB -Workload Random -DirtyRate 10MB -Content Random
            $cost = (Start-VmMigration away {{receiver.WaitForLine("URI")}} | Where-Object IsFinal).Result.Cost
            for ($i = 0; $i -lt 600 -and $null -eq $cost.WriteRateAfter; $i++) { [Threading.Thread]::Sleep(100) }
            [Console]::Out.WriteLine("AFTER $($cost.WriteRateAfter -gt 0)")
            """);
        Assert.Contains("AFTER True", output);
        Assert.Equal(0, exitCode);
    }
}
