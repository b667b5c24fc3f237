namespace PsMigrate.ModuleTests.Shell;

/// <summary>A receiver in one psmigrate, a guest in another.</summary>
public sealed class TwoProcessTests
{
    // Arrives suspended, so that its ticks can be compared with those at which the source stopped; then it goes on.
    const string Receiver = """
        $r = Start-MigrationReceiver -Uri tcp:127.0.0.1:0 -Suspended
        [Console]::Out.WriteLine("URI $($r.Uri)")
        Wait-MigrationReceiver -Id $r.Id -Count 1 -Timeout 60 | ForEach-Object {
            [Console]::Out.WriteLine("ARRIVED $($_.Name) $($_.State)")
            $guest = Get-MigrationGuest $_.Name
            [Console]::Out.WriteLine("TICKS $($guest.Ticks -join ',')")
            [Console]::Out.WriteLine("DIGEST $($guest.Digest())")
            Resume-MigrationGuest $_.Name
            $before = $guest.Ticks[0]
            for ($i = 0; $i -lt 100 -and $guest.Ticks[0] -le $before; $i++) { [Threading.Thread]::Sleep(50) }
            [Console]::Out.WriteLine("GOES ON $($guest.Ticks[0] -gt $before) $($guest.State)")
        }
        """;

    [Fact]
    public void A_guest_goes_on_in_the_other_process_from_the_exact_tick()
    {
        using var receiver = new ShellProcess("-Command", Receiver);
        var uri = receiver.WaitForLine("URI");
        using var sender = new ShellProcess("-Command", $$"""
            New-MigrationGuest two-processes -MemorySize 128MB -ProcessorCount 2 -Workload Random -DirtyRate 50MB -Content Mixed
            $last = $null
            Start-VmMigration two-processes -Destination {{uri}} -KeepSource | ForEach-Object { $last = $_ }
            [Console]::Out.WriteLine("RESULT $($last.Result.State) $($last.Result.Location)")
            $guest = Get-MigrationGuest two-processes
            [Console]::Out.WriteLine("STATE $($guest.State)")
            [Console]::Out.WriteLine("TICKS $($guest.Ticks -join ',')")
            [Console]::Out.WriteLine("DIGEST $($guest.Digest())")
            [Threading.Thread]::Sleep(300)
            [Console]::Out.WriteLine("LATER $($guest.Ticks -join ',')")
            """);
        Assert.Equal("Completed Destination", sender.WaitForLine("RESULT"));
        Assert.Equal("PostMigrate", sender.WaitForLine("STATE"));
        var ticks = sender.WaitForLine("TICKS");
        var digest = sender.WaitForLine("DIGEST");
        Assert.Equal(ticks, sender.WaitForLine("LATER"));
        Assert.Equal(0, sender.WaitForExit());

        Assert.Equal("two-processes Completed", receiver.WaitForLine("ARRIVED"));
        Assert.Equal(ticks, receiver.WaitForLine("TICKS"));
        Assert.Equal(digest, receiver.WaitForLine("DIGEST"));
        Assert.Equal("True Running", receiver.WaitForLine("GOES ON"));
        Assert.Equal(0, receiver.WaitForExit());
    }

    [UnixFact]
    public void A_receiver_killed_in_the_first_pass_leaves_the_guest_running_at_the_source()
    {
        using var receiver = new ShellProcess("-Command", Receiver);
        var uri = receiver.WaitForLine("URI");
        using var sender = SlowSender(uri);
        sender.WaitForLine("PHASE Active");
        receiver.Signal("KILL");
        Assert.Equal("ConnectionLost", sender.WaitForLine("ERROR"));
        Assert.Equal("Running", sender.WaitForLine("STATE"));
        Assert.Equal(0, sender.WaitForExit());
    }

    [UnixFact]
    public void A_sender_killed_in_the_first_pass_leaves_nothing_at_the_receiver_which_serves_the_next()
    {
        using var receiver = new ShellProcess("-Command", """
            $r = Start-MigrationReceiver -Uri tcp:127.0.0.1:0
            [Console]::Out.WriteLine("URI $($r.Uri)")
            Wait-MigrationReceiver -Id $r.Id -Count 2 -Timeout 60 | ForEach-Object {
                $count = @(Get-MigrationGuest).Count
                [Console]::Out.WriteLine("ENDED $($_.State) $count")
            }
            """);
        var uri = receiver.WaitForLine("URI");
        using (var sender = SlowSender(uri))
        {
            sender.WaitForLine("PHASE Active");
            sender.Signal("KILL");
        }
        Assert.Equal("Failed 0", receiver.WaitForLine("ENDED"));
        using var second = new ShellProcess("-Command",
            $"New-MigrationGuest next -MemorySize 16MB -Workload Random; Start-VmMigration next -Destination {uri} -Verify | Where-Object IsFinal | ForEach-Object {{ [Console]::Out.WriteLine(\"VERIFIED $($_.Result.Verified)\") }}");
        Assert.Equal("True", second.WaitForLine("VERIFIED"));
        Assert.Equal("Completed 1", receiver.WaitForLine("ENDED"));
    }

    /// <summary>Says PHASE when it sends, ERROR with the id, and STATE of its guest at the end.</summary>
    internal static ShellProcess SlowSender(string uri) => new("-Command", $$"""
        New-MigrationGuest slow -MemorySize 64MB -Workload Random -DirtyRate 10MB -Content Random
        $job = Start-VmMigration slow -Destination {{uri}} -MaxBandwidth 4MB -AsJob
        while ((Get-MigrationState slow).State -eq 'Setup') { [Threading.Thread]::Sleep(20) }
        [Console]::Out.WriteLine("PHASE $((Get-MigrationState slow).State)")
        $null = Wait-Job $job -Timeout 60
        $errors = $null
        $null = Receive-Job $job -ErrorAction SilentlyContinue -ErrorVariable errors
        foreach ($e in $errors) { [Console]::Out.WriteLine("ERROR $($e.FullyQualifiedErrorId)") }
        [Console]::Out.WriteLine("STATE $((Get-MigrationGuest slow).State)")
        exit 0
        """);
}
