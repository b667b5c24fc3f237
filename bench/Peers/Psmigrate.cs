using System.Globalization;

namespace PsMigrate.Bench.Peers;

/// <summary>The project's shell as source or receiver: the engine as a module inside PowerShell's engine, started by scripts.</summary>
sealed class Psmigrate : IDisposable
{
    const string SourceScript = """
        $guest = New-MigrationGuest bench-hosted {0} -Content Random -Workload Idle -Suspended -PassThru
        [Console]::WriteLine('bench ' + $guest.Digest())
        while ($uri = [Console]::In.ReadLine()) {
            Start-VmMigration -Guest $guest -Destination $uri -KeepSource | ForEach-Object { $last = $_ }
            [Console]::WriteLine('bench ' + $last.Result.TotalTime.Ticks)
            $guest.Resume($true)
            $guest.Suspend()
        }
        """;

    const string ReceiverScript = """
        [Console]::WriteLine('bench ' + (Start-MigrationReceiver tcp:127.0.0.1:0).Uri)
        Wait-MigrationReceiver | ForEach-Object { [Console]::WriteLine('bench ' + $_.Guest.Digest()) }
        """;

    // What the scripts say to the bench; everything else is for people: tables, warnings.
    const string Mark = "bench ";

    readonly Child _child;

    Psmigrate(string program, string script)
    {
        _child = Child.Start(program, "-Command", script);
        FirstWord = Read();
    }

    /// <summary>The digest of a source, the address of a receiver.</summary>
    string FirstWord { get; }

    /// <summary>A process with a suspended guest full of random bytes.</summary>
    public static Psmigrate Source(string program, long size) => new(program, SourceScript.Replace("{0}", size.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));

    /// <summary>Migrates the guest of this source to a receiver that is started for it, and checks that both hold the same.</summary>
    public TimeSpan SendCold(string program)
    {
        using var receiver = new Psmigrate(program, ReceiverScript);
        FreeMemory.Settle();
        _child.WriteLine(receiver.FirstWord);
        var time = TimeSpan.FromTicks(long.Parse(Read(), CultureInfo.InvariantCulture));
        var digest = receiver.Read();
        if (digest != FirstWord) throw new BenchException($"the memories differ: {FirstWord} in the source, {digest} in the receiver.");
        return time;
    }

    string Read()
    {
        while (true)
            if (_child.ReadLine() is var line && line.StartsWith(Mark, StringComparison.Ordinal)) return line[Mark.Length..];
    }

    public void Dispose() => _child.Dispose();
}
