using System.Diagnostics;
using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>What this assembly does when it is started by itself: it is one end of a migration, which a test may stop or kill.</summary>
static class OtherEnd
{
    const string Host = "other-end";

    static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["receive", var uri]:
                Receive(MigrationUri.Parse(uri));
                break;
            case ["send", var uri, var phase]:
                Send(MigrationUri.Parse(uri), Enum.Parse<MigrationPhase>(phase));
                break;
            case ["postcopy", var uri, var then]:
                SendInPostcopy(MigrationUri.Parse(uri), then);
                break;
            case ["huge", var uri, var size]:
                SendHuge(MigrationUri.Parse(uri), long.Parse(size, CultureInfo.InvariantCulture));
                break;
            default:
                Console.Error.WriteLine("The tests of this assembly are run by dotnet test.");
                return 1;
        }
        return 0;
    }

    static void Receive(MigrationUri uri)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { Uri = uri, HostName = Host });
        Console.WriteLine($"URI {receiver.Uri}");
        new Thread(() =>
        {
            while (receiver.TryTakeArrival(out var arrival, Patience.Limit))
                Console.WriteLine($"{arrival.State} {arrival.Error?.Id} {TestGuests.On(Host).Count}");
        })
        { IsBackground = true }.Start();
        AwaitParent();
    }

    /// <summary>Says when it enters a phase, and stays there.</summary>
    static void Send(MigrationUri uri, MigrationPhase until)
    {
        var guest = TestGuests.Create(TestGuests.Options(host: Host, rate: 2 * TestGuests.MiB));
        Migration.Start(guest, uri, new MigrationParameters { Verify = true }, phase =>
        {
            if (phase != until) return;
            Console.WriteLine($"IN {phase}");
            Thread.Sleep(Timeout.Infinite);
        });
        AwaitParent();
    }

    /// <summary>Says when its guest runs at the destination, while most of its pages are here; or when the link was broken then.</summary>
    /// <param name="uri">Where to.</param>
    /// <param name="then">What becomes of it: it is paused, or paused and recovered; by itself it goes on, over a link that broke too.</param>
    static void SendInPostcopy(MigrationUri uri, string then)
    {
        var guest = TestGuests.Create(PostcopyOptions);
        var migration = Migration.Start(guest, uri, new MigrationParameters
        {
            Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = then == "goes on" ? TestGuests.MiB : 1, Retries = then == "goes on" ? 100 : 0,
        });
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "postcopy");
        if (then is "pause" or "recover") migration.Pause();
        Console.WriteLine($"IN {migration.Status}");
        if (then == "recover") migration.Recover();
        AwaitParent();
    }

    /// <summary>The guest of <see cref="SendInPostcopy"/>.</summary>
    public static GuestOptions PostcopyOptions => TestGuests.Options(host: Host, rate: 2 * TestGuests.MiB) with
    {
        Content = GuestContent.Random, WorkingSet = TestGuests.MiB,
    };

    /// <summary>Says how it ended.</summary>
    static void SendHuge(MigrationUri uri, long size)
    {
        // Not by its options, which are held against what this process may have.
        var memory = new GuestMemory(size);
        var program = new GuestProgram(GuestWorkload.Idle, GuestContent.Zero, 0, memory.Ram.Pages, 8, 0);
        var guest = new MemoryGuest(Guid.NewGuid(), "huge", Host, memory, [new VirtualCpu(0, program, default, memory.Ram)], new TimerDevice(), new CounterDevice());
        guest.Resume();
        try
        {
            var migration = Migration.Start(guest, uri, new MigrationParameters());
            migration.Wait(Patience.Limit);
            var (result, error) = (migration.Result, migration.Result?.Error);
            Console.WriteLine($"ENDED {result?.State} {result?.Location} {error?.Id} {error?.Side} {guest.State}");
        }
        catch (MigrationException e)
        {
            Console.WriteLine($"REFUSED {e.Id} {e.Side} {guest.State} {guest.IsBusy}");
        }
    }

    /// <summary>Whoever started it ends it, by its own end at the latest.</summary>
    static void AwaitParent()
    {
        while (Console.In.Read() >= 0)
        {
        }
    }
}

/// <summary>The other end in a process of its own.</summary>
sealed class OtherProcess : IDisposable
{
    readonly Process _process;

    OtherProcess(string[] arguments, int heap = 0)
    {
        var runtime = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(runtime, [typeof(OtherProcess).Assembly.Location, .. arguments])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        if (heap > 0) start.Environment["DOTNET_GCHeapHardLimit"] = $"0x{heap:x}";
        _process = Process.Start(start)!;
    }

    /// <summary>A receiver; it listens when this returns.</summary>
    public static OtherProcess Receiver(int port = 0)
    {
        var receiver = new OtherProcess(["receive", $"tcp:127.0.0.1:{port}"]);
        receiver.Uri = MigrationUri.Parse(receiver.WaitForLine("URI "));
        return receiver;
    }

    /// <summary>A source that has come to a phase and stays there.</summary>
    public static OtherProcess SourceIn(MigrationPhase phase, MigrationUri uri)
    {
        var source = new OtherProcess(["send", uri.ToString(), phase.ToString()]);
        source.WaitForLine($"IN {phase}");
        return source;
    }

    /// <summary>A source whose guest runs at the destination, while most of its pages are with it.</summary>
    public static OtherProcess SourceInPostcopy(MigrationUri uri, bool isPaused)
    {
        var source = new OtherProcess(["postcopy", uri.ToString(), isPaused ? "pause" : "goes on"]);
        source.WaitForLine("IN ");
        return source;
    }

    /// <summary>A source whose postcopy was paused, and which is about to go on.</summary>
    public static OtherProcess SourceInRecovery(MigrationUri uri)
    {
        var source = new OtherProcess(["postcopy", uri.ToString(), "recover"]);
        source.WaitForLine("IN ");
        return source;
    }

    /// <summary>A source of a large and empty guest, with little memory for itself, bytes; it says how that ended.</summary>
    public static OtherProcess SendHuge(MigrationUri uri, long size, int heap) => new(["huge", uri.ToString(), $"{size}"], heap);

    /// <summary>Where the receiver listens.</summary>
    public MigrationUri Uri { get; private set; } = MigrationUri.Unknown;

    /// <summary>The rest of the next line that begins so.</summary>
    public string WaitForLine(string beginning) => Patience.Within(
        () =>
        {
            string? line;
            while ((line = _process.StandardOutput.ReadLine()) is not null)
                if (line.StartsWith(beginning, StringComparison.Ordinal)) return line[beginning.Length..];
            throw new InvalidOperationException($"The other end ended before it said {beginning}.");
        }, $"'{beginning}' from the other end");

    /// <summary>Kills it, and returns when it is dead.</summary>
    public void Kill()
    {
        _process.Kill();
        Assert.True(_process.WaitForExit(Patience.Limit));
    }

    /// <summary>Stops it where it is, and returns when all of it stands; its sockets stay.</summary>
    public void Stop()
    {
        Signal("STOP");
        Patience.Until(() => Directory.GetDirectories($"/proc/{_process.Id}/task").All(IsStopped), "all threads of the other end to stand");
    }

    /// <summary>Lets it go on.</summary>
    public void Continue() => Signal("CONT");

    // The state follows the name, which stands in brackets.
    static bool IsStopped(string task) => File.ReadAllText($"{task}/stat").Split(") ")[^1][0] == 'T';

    void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }
}
