using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Unpacks the packets of one channel straight into the guest's pages, as many at a time as lie together. The compressed stream runs
/// on through all packets, and each packet ends with a flush, so that its pages come out of it and nothing else does. One thread.
/// </summary>
sealed class PacketInflater : IDisposable
{
    readonly WireReader _reader;
    readonly PacketStream _packet;
    readonly IPacketUnpacker _unpacker;

    /// <summary>
    /// The data of the first packet comes next. Throws UnsupportedFeature for a method that is not known here, and what
    /// <paramref name="hold"/> throws.
    /// </summary>
    /// <param name="reader">The channel.</param>
    /// <param name="method">Of the packet.</param>
    /// <param name="size">Bytes of its data.</param>
    /// <param name="hold">Counts the memory that unpacking takes.</param>
    public PacketInflater(WireReader reader, MultifdMethod method, int size, Action<long> hold)
    {
        _reader = reader;
        Method = method;
        _packet = new PacketStream(reader);
        _unpacker = method switch
        {
            MultifdMethod.Zlib => new ZlibUnpacker(_packet),
            MultifdMethod.Zstd => Zstd(ZstdWindow.BitsOf(reader, size), hold),
            _ => throw reader.Error(MigrationErrorId.UnsupportedFeature, $"Multifd compression {method} is not supported by this receiver."),
        };
    }

    /// <summary>Of all packets that are compressed: a stream can't change in the middle.</summary>
    public MultifdMethod Method { get; }

    /// <summary>
    /// A packet of so many bytes comes next, and holds these pages and nothing else. Throws InvalidValue, InvalidLength; then some of
    /// the pages are written, and count as little as they did before.
    /// </summary>
    public void Unpack(int size, ArrivingBlock block, ReadOnlySpan<long> offsets)
    {
        _packet.Begin(size);
        for (var i = 0; i < offsets.Length;)
        {
            var count = PageRun.Length(offsets[i..]);
            var first = offsets[i] / GuestMemory.PageSize;
            Fill(block, first, count);
            i += count;
        }
        End();
    }

    public void Dispose() => _unpacker.Dispose();

    void Fill(ArrivingBlock block, long first, int count)
    {
        var pages = block.PagesForWrite(first, count);
        // A store before the library reads what was there: see ArrivingBlock.Write.
        for (var at = 0; at < pages.Length; at += GuestMemory.PageSize) pages[at] = 0;
        if (Read(pages) < pages.Length)
            throw _reader.Error(MigrationErrorId.InvalidLength, "A multifd packet unpacks to less than its pages.");
        block.MarkReceived(first, count);
    }

    void End()
    {
        // Asking for more also takes the flush mark in; the next packet begins behind it.
        Span<byte> more = stackalloc byte[1];
        if (Read(more) > 0 || _packet.Left > 0)
            throw _reader.Error(MigrationErrorId.InvalidLength, "A multifd packet unpacks to more than its pages.");
    }

    ZstdUnpacker Zstd(int windowBits, Action<long> hold)
    {
        hold(1L << windowBits);
        // A later frame can't ask for more than the first, which was counted.
        return new ZstdUnpacker(_packet, windowBits);
    }

    int Read(Span<byte> buffer)
    {
        try
        {
            return _unpacker.Unpack(buffer);
        }
        catch (InvalidDataException e)
        {
            throw _reader.Error(MigrationErrorId.InvalidValue, $"A multifd packet can't be unpacked ({Method}): {e.Message}");
        }
    }
}
