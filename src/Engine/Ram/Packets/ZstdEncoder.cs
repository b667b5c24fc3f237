using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// One zstd frame through all packets of a channel, as multifd-zstd.c makes it, with the parameters of QEMU's level. Pages are handed
/// over where they lie, as many at a time as lie together: zstd copies them into its window before it looks at them, so that a guest
/// may write meanwhile. That holds for all but a frame's end, which it makes from a copy of ours.
/// </summary>
sealed unsafe class ZstdEncoder(int level) : IStoringEncoder
{
    // Blocks of 128 KiB are the most that the format allows.
    const int BlockPages = 32;

    readonly ZstdLibrary _zstd = ZstdLibrary.Instance;
    readonly PacketBuffer _packet = new();
    void* _context = ZstdLibrary.Instance.CreateCompressor(level);
    PacketBuffer? _copy;
    byte _window;
    bool _isOpen;

    public MultifdMethod Method => MultifdMethod.Zstd;

    public ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets)
    {
        _packet.Clear();
        for (var i = 0; i < offsets.Length;)
        {
            var count = PageRun.Length(offsets[i..]);
            var isLast = (i += count) == offsets.Length;
            Compress(block.Address + offsets[i - count], count * GuestMemory.PageSize, isLast ? ZstdEnd.Flush : ZstdEnd.Continue);
        }
        NoteFrame();
        return _packet.Written;
    }

    /// <summary>
    /// A frame of raw blocks, whole in each packet. A frame that runs is ended with the pages of a packet, for QEMU looks for
    /// pages only inside of frames.
    /// </summary>
    public ReadOnlyMemory<byte> Store(RamBlock block, ReadOnlySpan<long> offsets)
    {
        // A frame that begins with its end would announce its size, and a smaller window.
        if (_window == 0) return Encode(block, offsets);
        return _isOpen ? EndFrame(block, offsets) : StoreFrame(block, offsets);
    }

    public void Dispose()
    {
        if (_context is not null) _zstd.FreeCompressor(_context);
        _context = null;
    }

    void Compress(byte* from, int length, ZstdEnd end)
    {
        var input = new ZstdLibrary.Buffer { Data = from, Size = (nuint)length };
        nuint left;
        do
        {
            var free = _packet.Free;
            // The bytes stay where they are: the packet's array is pinned.
            fixed (byte* to = free)
            {
                var output = new ZstdLibrary.Buffer { Data = to, Size = (nuint)free.Length };
                left = _zstd.Compress(_context, ref output, ref input, end);
                _packet.Advance((int)output.Position);
            }
        }
        while (input.Position < input.Size || (left > 0 && end != ZstdEnd.Continue));
    }

    // The first packet tells the window, and raw frames must not announce a larger one.
    void NoteFrame()
    {
        if (_window == 0) _window = _packet.Written.Span[5];
        _isOpen = true;
    }

    ReadOnlyMemory<byte> EndFrame(RamBlock block, ReadOnlySpan<long> offsets)
    {
        _packet.Clear();
        _copy ??= new PacketBuffer();
        _copy.Clear();
        _copy.WritePages(block, offsets);
        fixed (byte* pages = _copy.Written.Span) Compress(pages, _copy.Written.Length, ZstdEnd.End);
        _isOpen = false;
        return _packet.Written;
    }

    ReadOnlyMemory<byte> StoreFrame(RamBlock block, ReadOnlySpan<long> offsets)
    {
        _packet.Clear();
        _packet.Write([0x28, 0xB5, 0x2F, 0xFD, 0, _window]);
        for (var i = 0; i < offsets.Length; i += BlockPages)
        {
            var pages = offsets[i..Math.Min(i + BlockPages, offsets.Length)];
            var header = (pages.Length * GuestMemory.PageSize << 3) | (i + BlockPages >= offsets.Length ? 1 : 0);
            _packet.Write([(byte)header, (byte)(header >> 8), (byte)(header >> 16)]);
            _packet.WritePages(block, pages);
        }
        return _packet.Written;
    }
}
