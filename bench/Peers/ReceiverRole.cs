using System.Diagnostics;
using System.Text.Json;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>What the bench does when it is started as the receiving process: it takes guests in, says what came, and drops them.</summary>
static class ReceiverRole
{
    public const string Name = "receive";

    /// <summary>Memory of arriving guests is new each time.</summary>
    public const string Cold = "cold";

    /// <summary>Memory is that of the guest before, zeroed: every page was touched.</summary>
    public const string Warm = "warm";

    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    // A guest that arrived running goes on for so long: what it writes then must be right too.
    static readonly TimeSpan RunOn = TimeSpan.FromMilliseconds(30);

    /// <param name="memory"><see cref="Cold"/> or <see cref="Warm"/>.</param>
    /// <param name="uri">Where to listen.</param>
    /// <param name="tls">Directory with certificates; null for a plain one.</param>
    public static int Run(string memory, string uri, string? tls)
    {
        if (memory == Warm) HostMemory.Default = new WarmMemory(HostMemory.Default);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            Uri = MigrationUri.Parse(uri), Tls = tls is null ? null : TlsFiles.FromDirectory(tls, isServer: true),
        });
        Console.WriteLine(receiver.Uri);
        new Thread(EndWithParent) { IsBackground = true }.Start();
        while (true)
        {
            var cpu = Environment.CpuUsage.TotalTime;
            MigrationArrival? arrival;
            while (!receiver.TryTakeArrival(out arrival, TimeSpan.FromMinutes(1)))
            {
            }
            // Both ends are done; only now the memory is looked at.
            var said = JsonSerializer.Serialize(Describe(arrival, Environment.CpuUsage.TotalTime - cpu));
            if (arrival.Guest is { } guest) GuestRegistry.Remove(guest);
            Console.WriteLine(said);
        }
    }

    static Arrival Describe(MigrationArrival arrival, TimeSpan cpu)
    {
        if (arrival.Guest is not { } guest) return new Arrival("", cpu, [], 0, arrival.Error?.Message ?? "no guest came");
        // One that does nothing is as good as one that stands.
        if (guest.State != GuestState.Running || guest.Workload == GuestWorkload.Idle) return new Arrival(guest.Digest(), cpu, guest.Ticks, 0, arrival.Error?.Message);
        // One that was held at a tick when it left goes on.
        guest.StopAtTick(null);
        var clock = Stopwatch.StartNew();
        while (guest.Cpus[0].FirstTickTime == 0 && clock.Elapsed < Limit) Thread.Sleep(1);
        Thread.Sleep(RunOn);
        guest.Suspend();
        var first = guest.Cpus[0].FirstTickTime;
        return new Arrival(guest.Digest(), cpu, guest.Ticks, first, first == 0 ? "the guest does not run" : arrival.Error?.Message);
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
/// <param name="Digest">Of its memory.</param>
/// <param name="Cpu">Processor time of the process since the guest before.</param>
/// <param name="Ticks">Of each vCPU, when it was stopped.</param>
/// <param name="FirstTickTime">When its first vCPU ran here first, a timestamp of <see cref="Stopwatch"/>, whose clock all processes share; 0 where it does not run.</param>
/// <param name="Error">Why it did not come.</param>
sealed record Arrival(string Digest, TimeSpan Cpu, long[] Ticks, long FirstTickTime, string? Error);
