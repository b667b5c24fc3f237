using System.Net.Sockets;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Tls;

namespace PsMigrate.Engine.Tests.Leaks;

/// <summary>Many connections with TLS, with every kind of end: no thread, no socket, no memory and no guest stays behind.</summary>
[Collection("Alone")]
public sealed class TlsLeakTests
{
    static readonly TlsPki Pki = TlsPki.Shared;
    static readonly TlsPki Strangers = new("Another authority");

    [LinuxFact]
    public void Whatever_the_end()
    {
        for (var round = 0; round < 6; round++) Round(round);
        ProcessState.AssertNoThreads();
        var (mapped, sockets, guests) = (ProcessState.Mapped(), ProcessState.Sockets(), GuestRegistry.All.Length);
        for (var round = 0; round < 100; round++) Round(round);
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() <= sockets, "sockets to be closed");
        // A block of each of a hundred links would stand out.
        ProcessState.AssertMapped(mapped, 50 * TestGuests.MiB);
        Assert.Equal(guests, GuestRegistry.All.Length);
    }

    static void Round(int round)
    {
        using var rig = new TlsRig(Pki.Server);
        switch (round % 6)
        {
            case 0:
                Assert.Null(rig.Migrate(Pki.Client, new() { Verify = true }).Error);
                break;
            case 1:
                Assert.Null(rig.Migrate(Pki.Client, new() { Postcopy = true, Mode = MigrationMode.Postcopy, Peer = PeerKind.PsMigrate, PostcopyPreempt = true }).Error);
                break;
            case 2:
                Assert.NotNull(rig.Migrate(Pki.Client with { Certificate = Strangers.Issue("CN=client", isServer: false) }).Error);
                break;
            case 3:
                Assert.NotNull(rig.Migrate(client: null).Error);
                break;
            case 4:
                using (var proxy = new FaultProxy(rig.Receiver.Uri, new LinkFault(LinkFaultKind.Reset, 100_000 + (round * 10_000))))
                    Assert.NotNull(rig.Migrate(Pki.Client, to: proxy.Uri).Error);
                break;
            default:
                // In the middle of the greeting.
                using (var socket = new TcpClient("127.0.0.1", rig.Receiver.Uri.Port)) socket.GetStream().Write(TlsHello.Of(0x0303).AsSpan(0, 20 + (round % 25)));
                Assert.NotNull(rig.TakeArrival().Error);
                break;
        }
    }
}
