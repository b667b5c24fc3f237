using System.Numerics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// The pages as the destination has them (page_cache.c of QEMU): each address has one slot, and a slot that was used of late is kept.
/// Outside the garbage-collected heap; a slot takes room once it is used. One thread at a time.
/// </summary>
sealed unsafe class XbzrleCache : IDisposable
{
    /// <summary>QEMU's xbzrle-cache-size where none is given, bytes.</summary>
    public const long DefaultSize = 64 << 20;

    // CACHED_PAGE_LIFETIME: a slot used in this or the last generation is not given to another page.
    const int Lifetime = 2;

    readonly IHostMemory _host;
    readonly long _slots;
    readonly Slot* _index;
    readonly byte* _pages;
    bool _isReleased;

    /// <param name="size">Bytes, a power of two of at least a page. Throws MemoryExceeded.</param>
    /// <param name="host">Where the memory comes from.</param>
    public XbzrleCache(long size, IHostMemory? host = null)
    {
        if (size < GuestMemory.PageSize || !long.IsPow2(size))
            throw new ArgumentOutOfRangeException(nameof(size), size, "No cache has this size.");
        Size = size;
        _slots = size / GuestMemory.PageSize;
        _host = host ?? HostMemory.Default;
        _index = (Slot*)_host.Reserve(_slots * sizeof(Slot));
        try
        {
            _pages = _host.Reserve(size);
        }
        catch
        {
            _host.Release((byte*)_index, _slots * sizeof(Slot));
            throw;
        }
    }

    /// <summary>Bytes.</summary>
    public long Size { get; }

    /// <summary>What of a size is of use for so much memory, bytes: with a slot for each page, more would stay empty.</summary>
    public static long Fit(long size, long memory) => Math.Min(size, (long)BitOperations.RoundUpToPowerOf2((ulong)memory));

    /// <summary>The copy of a page, which counts as used in this generation (cache_is_cached); empty when there is none.</summary>
    /// <param name="address">Of the page, over all blocks.</param>
    /// <param name="generation">How often the dirty log was collected, from 1.</param>
    public Span<byte> Find(long address, int generation)
    {
        var slot = SlotOf(address);
        if (slot->Generation == 0 || slot->Address != address) return default;
        slot->Generation = generation;
        return PageOf(address);
    }

    /// <summary>Copies a page and returns the copy; empty when its slot is kept for another page (cache_insert).</summary>
    public Span<byte> Insert(long address, ReadOnlySpan<byte> page, int generation)
    {
        var slot = SlotOf(address);
        if (slot->Generation != 0 && slot->Address != address && slot->Generation + Lifetime > generation) return default;
        var copy = PageOf(address);
        page.CopyTo(copy);
        *slot = new Slot { Address = address, Generation = generation };
        return copy;
    }

    public void Dispose()
    {
        if (_isReleased) return;
        _isReleased = true;
        _host.Release((byte*)_index, _slots * sizeof(Slot));
        _host.Release(_pages, Size);
    }

    Slot* SlotOf(long address)
    {
        ObjectDisposedException.ThrowIf(_isReleased, this);
        return _index + Number(address);
    }

    Span<byte> PageOf(long address) => new(_pages + (Number(address) * GuestMemory.PageSize), GuestMemory.PageSize);

    long Number(long address) => (address / GuestMemory.PageSize) & (_slots - 1);

    /// <summary>Memory reads as zero at first, which is no generation: an empty slot.</summary>
    struct Slot
    {
        public long Address;
        public int Generation;
    }
}
