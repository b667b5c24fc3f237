using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A hundred broken links: no thread, no socket, no memory and no guest stays behind at either end.</summary>
[Collection("Alone")]
public sealed class FaultLeakTests
{
    // One that stayed would stand out among what the runtime maps for itself.
    const long Size = 200 * TestGuests.MiB;

    [LinuxFact]
    public void Over_links_that_break_in_every_way()
    {
        Rounds(0, 10);
        ProcessState.AssertNoThreads();
        var (sockets, mapped, guests) = (ProcessState.Sockets(), ProcessState.Mapped(), GuestRegistry.All.Length);
        Rounds(10, 110);
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() == sockets, $"sockets to be {sockets}, and there are {ProcessState.Sockets()}");
        ProcessState.AssertMapped(mapped, Size);
        Assert.Equal(guests, GuestRegistry.All.Length);
        Assert.Empty(ReceiverRegistry.All);
    }

    static void Rounds(int first, int last)
    {
        // Longer than a digest of so much memory takes on a busy machine.
        using var rig = new FaultRig(TimeSpan.FromSeconds(5), Size);
        var (forward, back) = rig.Record();
        var random = new Random(first);
        for (var round = first; round < last; round++)
        {
            var kind = (LinkFaultKind)(1 + (round % 3));
            if (round % 2 == 0) rig.Migrate(new LinkFault(kind, random.Next(forward.Length)));
            else rig.Migrate(back: new LinkFault(kind, random.Next(back.Length)));
        }
    }
}
