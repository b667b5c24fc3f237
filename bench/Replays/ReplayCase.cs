using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Replays;

/// <summary>A guest that is migrated twice: once recorded, once otherwise. Sizes in MiB, rates in MiB/s.</summary>
/// <param name="Memory">Its memory, all of it random.</param>
/// <param name="Workload">What it does.</param>
/// <param name="WorkingSet">Where; 0 is everywhere.</param>
/// <param name="Rate">Pages written, MiB/s.</param>
/// <param name="Cap">The limit on the bandwidth.</param>
/// <param name="Downtime">The downtime allowed, ms.</param>
/// <param name="Policy">The policy.</param>
/// <param name="OtherCap">The limit the other time.</param>
/// <param name="OtherPolicy">The policy the other time.</param>
/// <param name="Phases">Whether it writes in every other half second only.</param>
sealed record ReplayCase(
    int Memory, GuestWorkload Workload, int WorkingSet, int Rate, int Cap, int Downtime, string Policy, int OtherCap, string OtherPolicy, bool Phases = false)
{
    const long Mebibyte = 1 << 20;

    /// <summary>Those that are asked.</summary>
    public static readonly ReplayCase[] All =
    [
        new(128, GuestWorkload.Idle, 0, 0, 60, 300, "Qemu", 90, "Qemu"),
        new(128, GuestWorkload.Random, 0, 25, 80, 100, "Qemu", 60, "Qemu"),
        new(256, GuestWorkload.Random, 64, 100, 100, 300, "Qemu", 100, "AutoConverge"),
        new(128, GuestWorkload.Random, 0, 150, 60, 200, "AutoConverge", 80, "AutoConverge"),
        new(128, GuestWorkload.Random, 24, 200, 80, 300, "StallAware", 80, "DowntimeRamp"),
        new(128, GuestWorkload.HotSpot, 0, 50, 80, 100, "Qemu", 60, "Qemu"),
        new(128, GuestWorkload.HotSpot, 0, 150, 60, 200, "AutoConverge", 60, "DowntimeRamp"),
        new(128, GuestWorkload.Sequential, 0, 30, 80, 100, "Qemu", 60, "Qemu"),
        new(128, GuestWorkload.Sequential, 0, 45, 80, 300, "Qemu", 100, "StallAware"),
        new(128, GuestWorkload.Random, 0, 60, 80, 200, "Qemu", 60, "AutoConverge", Phases: true),
    ];

    /// <summary>The guest, on a host of its own.</summary>
    public GuestOptions Guest(string host) => new()
    {
        Name = "bench-replay", Host = host, MemorySize = Memory * Mebibyte, Workload = Workload, WorkingSet = WorkingSet * Mebibyte,
        DirtyRate = Rate * Mebibyte, Content = GuestContent.Random, WriteSize = 4096, Seed = 7,
    };

    /// <summary>As it is recorded.</summary>
    public MigrationParameters Recorded => Parameters(Cap, Policy) with { RecordTrace = true };

    /// <summary>The other time.</summary>
    public MigrationParameters Other => Parameters(OtherCap, OtherPolicy);

    MigrationParameters Parameters(int cap, string policy) => new()
    {
        MaxBandwidth = cap * Mebibyte, MaxDowntime = TimeSpan.FromMilliseconds(Downtime), Policy = MigrationPolicy.Find(policy), MaxThrottle = 90,
    };

    /// <summary>By which its results are known.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Memory} MiB {Workload}{(Phases ? " in phases" : "")}{(WorkingSet > 0 ? $" in {WorkingSet}" : "")} {Rate} MiB/s, {Downtime} ms: cap {Cap} {Policy}, cap {OtherCap} {OtherPolicy}");
}
