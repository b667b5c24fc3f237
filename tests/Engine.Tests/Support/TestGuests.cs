using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Small guests under names that no other test uses.</summary>
static class TestGuests
{
    public const long MiB = 1 << 20;
    static int _last;

    public static string UniqueName(string prefix = "guest") => $"{prefix}-{Interlocked.Increment(ref _last)}";

    /// <summary>16 MiB and two vCPUs, unless told otherwise; on a host of its own, so that no other test meets it.</summary>
    public static GuestOptions Options(
        GuestWorkload workload = GuestWorkload.HotSpot, long size = 16 * MiB, int processors = 2, string? host = null, long rate = 40 * MiB) => new()
    {
        Name = UniqueName(),
        Host = host ?? UniqueName("host"),
        MemorySize = size,
        ProcessorCount = processors,
        Workload = workload,
        DirtyRate = rate,
        Content = GuestContent.Mixed,
        ContentSize = size / 2,
        Seed = 42,
    };

    public static MemoryGuest Create(GuestOptions? options = null) => GuestRegistry.Create(options ?? Options());

    /// <summary>Every guest of a host, wherever it stands, is given up.</summary>
    public static void RemoveAll(params ReadOnlySpan<string> hosts)
    {
        foreach (var host in hosts)
            foreach (var guest in On(host)) GuestRegistry.Remove(guest);
    }

    public static List<MemoryGuest> On(string host) => [.. GuestRegistry.All.OfType<MemoryGuest>().Where(guest => guest.Host == host)];

    /// <summary>Waits until each vCPU stands at a tick.</summary>
    public static void WaitForTick(MemoryGuest guest, long tick) =>
        Patience.Until(() => guest.Ticks.All(done => done >= tick), $"vCPUs of {guest.Name} at tick {tick}: {string.Join(", ", guest.Ticks)}");
}
