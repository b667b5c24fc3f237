using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Soak;

/// <summary>The fleet: small guests that always write, each another way. Its number tells all of a guest.</summary>
static class SoakGuests
{
    static readonly GuestWorkload[] Workloads =
        [GuestWorkload.Sequential, GuestWorkload.Random, GuestWorkload.HotSpot, GuestWorkload.WalkingIncrement];

    static readonly GuestContent[] Contents = [GuestContent.Zero, GuestContent.Random, GuestContent.Text];

    /// <summary>Its name.</summary>
    public static string NameOf(int guest) => $"soak-{guest:00}";

    /// <summary>A guest of the fleet: 8 to 32 MiB, one or two vCPUs, 2 to 8 MB/s.</summary>
    public static GuestOptions Options(int guest) => new()
    {
        Name = NameOf(guest),
        MemorySize = (8L << 20) * (1 + (guest % 4)),
        ProcessorCount = 1 + (guest % 2),
        Workload = Workloads[guest % Workloads.Length],
        Content = Contents[guest / 2 % Contents.Length],
        WriteSize = guest % 3 == 0 ? 4096 : 64,
        DirtyRate = (2L << 20) * (1 + (guest / 4 % 4)),
        Seed = (ulong)guest + 1,
    };

    /// <summary>The same guest as one that stays where it is made and stands; it runs as fast as it can to where it is compared.</summary>
    public static GuestOptions Stayed(int guest) => Options(guest) with { Name = $"{NameOf(guest)}-stayed", DirtyRate = 0, StartSuspended = true };
}
