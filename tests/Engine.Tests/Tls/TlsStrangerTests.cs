using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>
/// Connections that do not say whose they are belong to a migration from their address. By TLS they have to be of the same subject: two
/// sources may share an address, and one must not reach the guest of the other.
/// </summary>
public sealed class TlsStrangerTests : IDisposable
{
    static readonly TlsPki Pki = TlsPki.Shared;
    static readonly TlsOptions Somebody = Pki.Client;
    static readonly TlsOptions Stranger = Pki.Client with { Certificate = Pki.Issue("CN=another,O=Example", isServer: false) };

    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), Tls = Pki.Server });
    readonly List<IConnection> _links = [];

    [Fact]
    public void A_stranger_brings_no_page()
    {
        Advise();
        SendPage(Connect(Stranger));
        Assert.Equal(MigrationErrorId.BadMagic, Failed().Id);
        Assert.Equal(1, _receiver.ActiveCount);
        // With another certificate of the same subject it gets there, before its time.
        SendPage(Connect(Pki.Client));
        Assert.Equal(MigrationErrorId.OutOfOrder, Failed().Id);
        Patience.Until(() => _receiver.ActiveCount == 0, "the end of the migration");
    }

    public void Dispose()
    {
        _links.ForEach(link => link.Abort());
        _receiver.Dispose();
        TestGuests.RemoveAll(_receiver.HostName);
    }

    void Advise()
    {
        var main = new MultifdMain(Connect(Somebody).Output, 16, flushes: false).Header();
        CommandRecord.Write(main.Wire, CommandType.OpenReturnPath);
        Span<byte> advice = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(advice, GuestMemory.PageSize);
        BinaryPrimitives.WriteUInt64BigEndian(advice[8..], GuestMemory.PageSize);
        CommandRecord.Write(main.Wire, CommandType.PostcopyAdvise, advice);
        main.Setup();
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the list of blocks");
    }

    IConnection Connect(TlsOptions who)
    {
        var link = Connector.ConnectTls(_receiver.Uri, new TlsCredentials(who, isServer: false), Patience.Limit, CancellationToken.None);
        _links.Add(link);
        return link;
    }

    static void SendPage(IConnection link)
    {
        var wire = new WireWriter(link.Output);
        wire.UInt64(RamFlags.Zero);
        wire.Name(StreamConstants.RamSection);
        wire.Byte(0);
        wire.Flush();
    }

    MigrationException Failed()
    {
        Assert.True(_receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        return arrival.Error!;
    }
}
