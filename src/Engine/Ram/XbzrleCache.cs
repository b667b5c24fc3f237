using System.Numerics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// The pages as the destination has them (page_cache.c of QEMU): each address has one slot, and a slot that was used of late is kept.
/// Outside the garbage-collected heap; a slot takes room once it is used. One thread at a time.
/// </summary>
sealed unsafe class XbzrleCache : IDisposable
{
    /// <summary>CACHED_PAGE_LIFETIME: a slot used in this or the last generation is not given to another page.</summary>
    public const int Lifetime = 2;

    /// <summary>
    /// The generation of a first pass, in which all pages go: that one went says nothing of whether it will go again. In any later one, which begin
    /// a lifetime later, its slot is as good as empty.
    /// </summary>
    public const int FirstPass = 1;

    readonly IHostMemory _host;
    long _slots;
    Slot* _index;
    byte* _pages;
    bool _isReleased;

    /// <param name="size">Bytes, a power of two of at least a page. Throws MemoryExceeded.</param>
    /// <param name="host">Where the memory comes from.</param>
    public XbzrleCache(long size, IHostMemory? host = null)
    {
        _host = host ?? HostMemory.Default;
        Reserve(size);
    }

    /// <summary>Bytes.</summary>
    public long Size { get; private set; }

    /// <summary>How many pages it holds.</summary>
    public long Count { get; private set; }

    /// <summary>What of a size is of use for so much memory, bytes: with a slot for each page, more would stay empty.</summary>
    public static long Fit(long size, long memory) => Math.Min(size, (long)BitOperations.RoundUpToPowerOf2((ulong)memory));

    /// <summary>The copy of a page, which counts as used in this generation (cache_is_cached); empty when there is none.</summary>
    /// <param name="address">Of the page, over all blocks.</param>
    /// <param name="generation">Rises with each pass, from 1.</param>
    public Span<byte> Find(long address, int generation)
    {
        var slot = SlotOf(address);
        if (slot->Generation == 0 || slot->Address != address) return default;
        slot->Generation = generation;
        return PageOf(address);
    }

    /// <summary>How often a page came into a slot that was empty, or had one of the first pass.</summary>
    public long Filled { get; private set; }

    /// <summary>Copies a page and returns the copy; empty when its slot is kept for another page (cache_insert).</summary>
    public Span<byte> Insert(long address, ReadOnlySpan<byte> page, int generation)
    {
        var slot = SlotOf(address);
        if (slot->Generation != 0 && slot->Address != address && slot->Generation + Lifetime > generation) return default;
        var copy = PageOf(address);
        page.CopyTo(copy);
        if (slot->Generation == 0) Count++;
        if (slot->Generation <= FirstPass) Filled++;
        *slot = new Slot { Address = address, Generation = generation };
        return copy;
    }

    /// <summary>
    /// Takes another size, and keeps what fits: of two pages that come to share a slot the one that was used later. Throws
    /// MemoryExceeded; then all is as it was. (QEMU's xbzrle_cache_resize begins anew with an empty cache.)
    /// </summary>
    /// <param name="size">Bytes, a power of two of at least a page.</param>
    public void Resize(long size)
    {
        ObjectDisposedException.ThrowIf(_isReleased, this);
        if (size == Size) return;
        var (slots, before) = (_slots, Size);
        var index = _index;
        var pages = _pages;
        Reserve(size);
        Count = 0;
        for (long number = 0; number < slots; number++)
        {
            var old = index + number;
            if (old->Generation == 0 || SlotOf(old->Address)->Generation >= old->Generation) continue;
            new ReadOnlySpan<byte>(pages + (number * GuestMemory.PageSize), GuestMemory.PageSize).CopyTo(PageOf(old->Address));
            if (SlotOf(old->Address)->Generation == 0) Count++;
            *SlotOf(old->Address) = *old;
        }
        Release(index, pages, slots, before);
    }

    public void Dispose()
    {
        if (_isReleased) return;
        _isReleased = true;
        Release(_index, _pages, _slots, Size);
    }

    void Reserve(long size)
    {
        if (size < GuestMemory.PageSize || !long.IsPow2(size))
            throw new ArgumentOutOfRangeException(nameof(size), size, "No cache has this size.");
        var slots = size / GuestMemory.PageSize;
        var index = (Slot*)_host.Reserve(slots * sizeof(Slot));
        try
        {
            _pages = _host.Reserve(size);
        }
        catch
        {
            _host.Release((byte*)index, slots * sizeof(Slot));
            throw;
        }
        (_slots, Size) = (slots, size);
        _index = index;
    }

    void Release(Slot* index, byte* pages, long slots, long size)
    {
        _host.Release((byte*)index, slots * sizeof(Slot));
        _host.Release(pages, size);
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
