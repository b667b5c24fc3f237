using System.Text.Json;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>What the bench does when it is started as the receiving process: it takes guests in, says what came, and drops them.</summary>
static class ReceiverRole
{
    public const string Name = "receive";

    /// <summary>Memory of arriving guests is new each time.</summary>
    public const string Cold = "cold";

    /// <summary>Memory is that of the guest before, zeroed: every page was touched.</summary>
    public const string Warm = "warm";

    public static int Run(string memory)
    {
        if (memory == Warm) HostMemory.Default = new WarmMemory(HostMemory.Default);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions());
        Console.WriteLine(receiver.Uri);
        new Thread(EndWithParent) { IsBackground = true }.Start();
        while (true)
        {
            if (!receiver.TryTakeArrival(out var arrival, TimeSpan.FromMinutes(1))) continue;
            // Both ends are done; only now the memory is looked at.
            var digest = arrival.Guest?.Digest() ?? "";
            if (arrival.Guest is { } guest) GuestRegistry.Remove(guest);
            Console.WriteLine(JsonSerializer.Serialize(new Arrival(digest, arrival.ReceivedBytes, arrival.Error?.Message)));
        }
    }

    static void EndWithParent()
    {
        while (Console.In.ReadLine() is not null)
        {
        }
        Environment.Exit(0);
    }
}

/// <summary>What a receiving process says of a guest that came.</summary>
sealed record Arrival(string Digest, long Bytes, string? Error);
