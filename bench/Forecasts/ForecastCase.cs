using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Forecasts;

/// <summary>A guest that is forecast and then migrated, and the limits. Sizes in MiB, rates in MiB/s.</summary>
/// <param name="Memory">Its memory, all of it random.</param>
/// <param name="Workload">What it does.</param>
/// <param name="WorkingSet">Where; 0 is everywhere.</param>
/// <param name="Rate">Pages written, MiB/s.</param>
/// <param name="Cap">The limit on the bandwidth; 0 is none.</param>
/// <param name="Downtime">The downtime allowed, ms.</param>
/// <param name="WriteSize">Bytes of one write: 8 make small differences, 4096 none.</param>
sealed record ForecastCase(int Memory, GuestWorkload Workload, int WorkingSet, int Rate, int Cap, int Downtime, int WriteSize = 8)
{
    const long Mebibyte = 1 << 20;

    /// <summary>Those that are asked by default.</summary>
    public static readonly ForecastCase[] All =
    [
        new(64, GuestWorkload.Idle, 0, 0, 40, 300),
        new(128, GuestWorkload.Random, 0, 20, 80, 300, WriteSize: 4096),
        new(256, GuestWorkload.Random, 0, 40, 100, 100, WriteSize: 4096),
        new(128, GuestWorkload.Random, 0, 200, 80, 300, WriteSize: 4096),
        new(256, GuestWorkload.Random, 64, 150, 120, 300),
        new(128, GuestWorkload.Sequential, 0, 30, 80, 100, WriteSize: 4096),
        new(256, GuestWorkload.HotSpot, 0, 60, 100, 100, WriteSize: 4096),
        new(128, GuestWorkload.HotSpot, 0, 120, 60, 300),
    ];

    /// <summary>The guest, on a host of its own.</summary>
    public GuestOptions Guest(string host) => new()
    {
        Name = "bench-forecast", Host = host, MemorySize = Memory * Mebibyte, Workload = Workload, WorkingSet = WorkingSet * Mebibyte,
        DirtyRate = Rate * Mebibyte, Content = GuestContent.Random, WriteSize = WriteSize, Seed = 7,
    };

    /// <summary>What is asked for.</summary>
    public MigrationParameters Parameters => new() { MaxBandwidth = Cap * Mebibyte, MaxDowntime = TimeSpan.FromMilliseconds(Downtime) };

    /// <summary>By which its results are known.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Memory} MiB {Workload}{(WorkingSet > 0 ? $" in {WorkingSet}" : "")} {Rate} MiB/s by {WriteSize}, {(Cap == 0 ? "no cap" : $"cap {Cap}")}, {Downtime} ms");
}
