using System.Buffers.Binary;
using System.IO.Compression;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// One zlib stream through all packets of a channel, each ended with Z_SYNC_FLUSH, as multifd-zlib.c makes it. The stream never ends,
/// so that only its two bytes of header are zlib's own, and what follows is deflate. Pages are copied first, as QEMU does: zlib does not
/// promise to bear input that changes.
/// </summary>
sealed class ZlibEncoder(int level) : IStoringEncoder
{
    // A stored block says its length in 16 bits.
    const int BlockPages = 15;

    readonly PacketBuffer _packet = new();
    readonly PacketBuffer _copy = new();
    DeflateStream? _deflate;
    bool _hasBegun;

    public MultifdMethod Method => MultifdMethod.Zlib;

    public ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets)
    {
        Begin();
        _copy.Clear();
        _copy.WritePages(block, offsets);
        _deflate ??= new DeflateStream(_packet, new ZLibCompressionOptions { CompressionLevel = level }, leaveOpen: true);
        _deflate.Write(_copy.Written.Span);
        _deflate.Flush();
        return _packet.Written;
    }

    /// <summary>Stored blocks. What follows later must not refer back across them, for its compressor has not seen them: it begins anew.</summary>
    public ReadOnlyMemory<byte> Store(RamBlock block, ReadOnlySpan<long> offsets)
    {
        Begin();
        Drop();
        Span<byte> header = stackalloc byte[5];
        for (var i = 0; i < offsets.Length; i += BlockPages)
        {
            var pages = offsets[i..Math.Min(i + BlockPages, offsets.Length)];
            var length = (ushort)(pages.Length * GuestMemory.PageSize);
            header[0] = 0;
            BinaryPrimitives.WriteUInt16LittleEndian(header[1..], length);
            BinaryPrimitives.WriteUInt16LittleEndian(header[3..], (ushort)~length);
            _packet.Write(header);
            _packet.WritePages(block, pages);
        }
        return _packet.Written;
    }

    public void Dispose() => Drop();

    void Begin()
    {
        _packet.Clear();
        // A window of 32 KiB, no dictionary.
        if (!_hasBegun) _packet.Write([0x78, 0x01]);
        _hasBegun = true;
    }

    // Closing writes an end of stream, which is not sent.
    void Drop()
    {
        if (_deflate is null) return;
        var length = (int)_packet.Length;
        _deflate.Dispose();
        _deflate = null;
        _packet.Clear();
        _packet.Advance(length);
    }
}
