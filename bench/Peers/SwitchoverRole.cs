using System.Globalization;
using System.Text.Json;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>The two processes of the switch-over: one takes small running guests in, the other sends them, one after the other.</summary>
static class SwitchoverRole
{
    public const string Receives = "switchover-receive";
    public const string Sends = "switchover-send";

    const long Size = 64 << 20;

    /// <summary>Takes guests in, says of each how long it took, and drops it.</summary>
    public static int Receive()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions());
        Console.WriteLine(receiver.Uri);
        new Thread(EndWithParent) { IsBackground = true }.Start();
        while (true)
        {
            if (!receiver.TryTakeArrival(out var arrival, TimeSpan.FromMinutes(1))) continue;
            if (arrival.Guest is { } guest) GuestRegistry.Remove(guest);
            Say(new SwitchoverTimes(arrival.LoadTime, arrival.StartTime, arrival.Error?.Message));
        }
    }

    /// <summary>Sends so many guests to an address, and says how long each stood still. <c>local:</c> stays in this process.</summary>
    public static int Send(string[] arguments)
    {
        var (uri, count) = (MigrationUri.Parse(arguments[0]), int.Parse(arguments[1], CultureInfo.InvariantCulture));
        for (var i = 0; i < count; i++)
        {
            Say(SendOne(uri));
            // The receiver gives memory back, as this process does.
            Thread.Sleep(20);
        }
        return 0;
    }

    static DowntimeParts SendOne(MigrationUri uri)
    {
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = "bench-switchover", MemorySize = Size, ProcessorCount = 2, Workload = GuestWorkload.Random, WorkingSet = 1 << 20, DirtyRate = 4 << 20,
        });
        Thread.Sleep(20);
        var migration = Migration.Start(guest, uri, new MigrationParameters());
        migration.Wait();
        foreach (var arrived in GuestRegistry.All) GuestRegistry.Remove(arrived);
        if (migration.Result!.Error is { } error) throw new BenchException($"our migration failed: {error.Message}");
        return migration.Result.DowntimeParts;
    }

    static void Say<T>(T what) => Console.WriteLine(JsonSerializer.Serialize(what));

    static void EndWithParent()
    {
        while (Console.In.ReadLine() is not null)
        {
        }
        Environment.Exit(0);
    }
}

/// <summary>What the receiving process measured of one guest.</summary>
/// <param name="Load">From the end of RAM to READY.</param>
/// <param name="Start">The start of the guest.</param>
/// <param name="Error">Why it did not come.</param>
sealed record SwitchoverTimes(TimeSpan Load, TimeSpan Start, string? Error);
