using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// One block of guest RAM, outside the garbage-collected heap, in pages of 4 KiB. Writers go through
/// <see cref="PageForWrite"/> and <see cref="Wrote"/>, so that what was never written and what is dirty is known.
/// </summary>
sealed unsafe class RamBlock
{
    /// <summary>Pages for which one flag tells whether any of them was ever written.</summary>
    public const int PagesPerChunk = 64;

    readonly byte[] _touched;
    DirtyBitmap? _log;

    public RamBlock(string name, byte* address, long length)
    {
        Name = name;
        Address = address;
        Length = length;
        Pages = length / GuestMemory.PageSize;
        _touched = new byte[(Pages + PagesPerChunk - 1) / PagesPerChunk];
    }

    /// <summary>QEMU's idstr, for example <c>ram</c>.</summary>
    public string Name { get; }

    public byte* Address { get; }

    public long Length { get; }

    public long Pages { get; }

    /// <summary>Whether a page of this chunk was ever written; if not, all its pages are zero without a look.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsTouched(long chunk) => Volatile.Read(ref _touched[chunk]) != 0;

    /// <summary>How many chunks from there on were never written, up to so many.</summary>
    public int UntouchedChunks(int from, int max)
    {
        if (max == 0 || IsTouched(from)) return 0;
        var chunks = _touched.AsSpan(from, Math.Min(max, _touched.Length - from));
        var end = chunks.IndexOfAnyExcept((byte)0);
        return end < 0 ? chunks.Length : end;
    }

    /// <summary>The chunks around one that lie together and were all written, from the first to the one behind the last; none where it was not.</summary>
    public (int First, int End) TouchedAround(int chunk)
    {
        if (!IsTouched(chunk)) return (chunk, chunk);
        var end = _touched.AsSpan(chunk).IndexOf((byte)0);
        return (_touched.AsSpan(0, chunk).LastIndexOf((byte)0) + 1, end < 0 ? _touched.Length : chunk + end);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* PageForWrite(long page)
    {
        _touched[page / PagesPerChunk] = 1;
        return Address + (page * GuestMemory.PageSize);
    }

    /// <summary>To be called after the store: logs the page while a log is on. The test is all that a guest pays otherwise.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Wrote(long page) => _log?.Mark(page);

    public ReadOnlySpan<byte> Page(long page) => new(Address + (page * GuestMemory.PageSize), GuestMemory.PageSize);

    /// <summary>Bytes of the block, at most 2 GiB.</summary>
    public Span<byte> Span(long offset, int length) => new(Address + offset, length);

    /// <summary>Turns logging on or off. Only while no vCPU is inside a tick: a writer caches nothing across ticks.</summary>
    public DirtyBitmap? Log
    {
        get => _log;
        set => _log = value;
    }
}
