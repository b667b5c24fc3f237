using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A hundred broken links: no thread, no socket, no memory and no guest stays behind at either end.</summary>
[Collection("Alone")]
public sealed class FaultLeakTests
{
    // One that stayed would stand out among what the runtime maps for itself.
    const long Size = 200 * TestGuests.MiB;

    [LinuxTheory]
    [InlineData("precopy")]
    [InlineData("postcopy")]
    [InlineData("preempt")]
    [InlineData("channels")]
    [InlineData("TLS")]
    public void Over_links_that_break_in_every_way(string how)
    {
        Rounds(how, 0, 10);
        ProcessState.AssertNoThreads();
        var (sockets, mapped, guests) = (ProcessState.Sockets(), ProcessState.Mapped(), GuestRegistry.All.Length);
        var recoveries = Rounds(how, 10, 110);
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() == sockets, $"sockets to be {sockets}, and there are {ProcessState.Sockets()}");
        ProcessState.AssertMapped(mapped, Size);
        Assert.Equal(guests, GuestRegistry.All.Length);
        Assert.Empty(ReceiverRegistry.All);
        Assert.Equal(how is "postcopy" or "preempt", recoveries > 20);
    }

    /// <summary>How often a postcopy was recovered.</summary>
    static int Rounds(string how, int first, int last)
    {
        // Longer than a digest of so much memory takes on a busy machine.
        using var rig = new FaultRig(TimeSpan.FromSeconds(5), Size, isTls: how == "TLS");
        rig.Parameters = Parameters(how, rig.Parameters);
        var (forward, back) = rig.Record();
        var random = new Random(first);
        var recoveries = 0;
        for (var round = first; round < last; round++)
        {
            rig.Struck = 1 + (how is "channels" or "preempt" ? round % (how == "channels" ? 3 : 2) : 0);
            var kind = (LinkFaultKind)(1 + (round % 3));
            // What comes back is little, and pages are much: half of the places in each.
            if (round % 2 == 0) rig.Migrate(new LinkFault(kind, random.Next(forward.Length)));
            else rig.Migrate(back: new LinkFault(kind, random.Next(back.Length)));
            recoveries += rig.Recoveries;
        }
        return recoveries;
    }

    static MigrationParameters Parameters(string how, MigrationParameters plain) => how switch
    {
        "channels" => plain with { Channels = 2, Peer = PeerKind.PsMigrate },
        "postcopy" => plain with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy },
        "preempt" => plain with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy, PostcopyPreempt = true, Peer = PeerKind.PsMigrate },
        _ => plain,
    };
}
