using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// The guest that stayed: vCPUs are deterministic and share no page, so a guest that was never migrated and is run to the same
/// ticks must hold the same memory, byte for byte.
/// </summary>
static class Reference
{
    public static string DigestAt(GuestOptions options, IReadOnlyList<long> ticks)
    {
        var guest = MemoryGuest.Create(options with { DirtyRate = 0 });
        for (var cpu = 0; cpu < ticks.Count; cpu++) guest.Cpus[cpu].StopAtTick = (ulong)ticks[cpu];
        guest.Resume();
        Patience.Until(() => options.Workload == GuestWorkload.Idle || guest.Ticks.SequenceEqual(ticks), "the guest that stayed");
        guest.Suspend();
        var digest = guest.Digest();
        guest.Remove();
        return digest;
    }

    /// <summary>Stops a guest where it is, and compares it with one that stayed.</summary>
    public static void AssertIntact(GuestOptions options, MemoryGuest guest)
    {
        if (guest.State == GuestState.Running) guest.Suspend();
        Assert.Equal(DigestAt(options, guest.Ticks), guest.Digest());
    }
}
