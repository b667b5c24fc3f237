using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>A source with a main stream and multifd channels on real sockets, that does each step when it is told.</summary>
sealed class FakeSource(MigrationReceiver receiver, bool flushes, Guid uuid = default, byte fill = 1) : IDisposable
{
    public const int Pages = 256;

    readonly List<IConnection> _links = [];
    readonly List<MultifdSource> _channels = [];
    MultifdMain? _main;

    public MultifdMain Main => _main ??= new MultifdMain(Connect().Output, Pages, flushes);

    public IReadOnlyList<MultifdSource> Channels => _channels;

    /// <summary>The connections, in the order in which they were made.</summary>
    public IReadOnlyList<IConnection> Links => _links;

    /// <summary>What a page holds after a pass.</summary>
    public byte[] Content(int page, int pass)
    {
        var bytes = new byte[GuestMemory.PageSize];
        bytes.AsSpan().Fill(fill);
        (bytes[0], bytes[1]) = ((byte)page, (byte)pass);
        return bytes;
    }

    public FakeSource Connect(params ReadOnlySpan<byte> numbers)
    {
        foreach (var number in numbers) _channels.Add(new MultifdSource(Connect().Output).Init(number, uuid));
        return this;
    }

    /// <summary>SYNC in every channel.</summary>
    public FakeSource Sync()
    {
        foreach (var channel in _channels) channel.Sync();
        return this;
    }

    /// <summary>All pages, spread over the channels as the pass has it, and SYNC.</summary>
    public FakeSource SendPass(int pass)
    {
        for (var i = 0; i < _channels.Count; i++)
        {
            var mine = Enumerable.Range(0, Pages).Where(page => (page + pass) % _channels.Count == i);
            foreach (var packet in mine.Chunk(100)) _channels[i].Pages([.. packet.Select(page => ((long)page * GuestMemory.PageSize, Content(page, pass)))]);
        }
        return Sync();
    }

    /// <summary>From the first mark to the end, in several passes.</summary>
    public void SendAll(int passes = 3)
    {
        Sync();
        Main.Setup();
        for (var pass = 1; pass <= passes; pass++)
        {
            SendPass(pass);
            Main.Pass();
        }
        Sync();
        Main.End();
    }

    public void AssertArrived(MemoryGuest guest, int pass = 3)
    {
        for (var page = 0; page < Pages; page++)
            Assert.True(guest.Memory.Ram.Page(page).SequenceEqual(Content(page, pass)), $"Page {page} is {guest.Memory.Ram.Page(page)[1]} and not of pass {pass}.");
    }

    public void Dispose() => _links.ForEach(link => link.Abort());

    IConnection Connect()
    {
        var link = Connector.Connect(receiver.Uri, Patience.Limit, default);
        _links.Add(link);
        return link;
    }
}
