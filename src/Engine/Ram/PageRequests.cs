using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Pages that the destination asked for (src_page_requests of QEMU), in the order in which it did. The return path adds, the sending
/// thread takes. A page that is asked for again before it is taken counts once, so that a destination that asks without end makes this
/// end keep one bit and one entry a page at most. Thread-safe.
/// </summary>
sealed class PageRequests(GuestMemory memory)
{
    readonly object _lock = new();
    readonly Queue<Range> _ranges = new();
    readonly ulong[]?[] _asked = new ulong[memory.Blocks.Count][];
    int _named = -1;
    Range _taking;
    long _received;
    volatile bool _any;

    /// <summary>Requests that were received (postcopy-requests of QEMU).</summary>
    public long Received => Volatile.Read(ref _received);

    /// <summary>Whether nobody waits. Costs next to nothing.</summary>
    public bool IsEmpty => !_any;

    /// <summary>
    /// A request of the destination. Pages that were sent already are no error: the request may have crossed them. Throws UnknownBlock,
    /// OutOfOrder, InvalidLength, OffsetOutOfRange, on the side of the destination.
    /// </summary>
    /// <param name="block">The block's name; null is the one that was named last.</param>
    /// <param name="start">Byte offset in the block, at the start of a page.</param>
    /// <param name="length">Bytes, of whole pages.</param>
    public void Add(string? block, ulong start, uint length)
    {
        lock (_lock)
        {
            var index = block is null ? _named : IndexOf(block);
            if (index < 0) throw Wrong(MigrationErrorId.OutOfOrder, "A request for pages goes on with a block, and none was named.");
            Check(memory.Blocks[index], start, length);
            _named = index;
            Volatile.Write(ref _received, _received + 1);
            var range = new Range(index, (long)(start / GuestMemory.PageSize), length / GuestMemory.PageSize);
            if (!Mark(range)) return;
            _ranges.Enqueue(range);
            _any = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits until a page is asked for, so long at most; true when one is.</summary>
    public bool Wait(TimeSpan limit)
    {
        var until = Environment.TickCount64 + Math.Max(0, (long)Math.Ceiling(limit.TotalMilliseconds));
        lock (_lock)
        {
            while (!_any)
            {
                var left = until - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_lock, (int)Math.Min(left, int.MaxValue))) return _any;
            }
            return true;
        }
    }

    /// <summary>Takes up to 64 pages of one request, those of one word of the block's bitmap; false when nobody waits.</summary>
    public bool TryTake(out int block, out int word, out ulong bits)
    {
        (block, word, bits) = (0, 0, 0);
        if (!_any) return false;
        lock (_lock)
        {
            while (bits == 0)
            {
                if (_taking.Count == 0 && !_ranges.TryDequeue(out _taking)) break;
                (block, word) = (_taking.Block, (int)(_taking.First / 64));
                bits = TakeWord();
            }
            _any = _taking.Count > 0 || _ranges.Count > 0;
        }
        return bits != 0;
    }

    ulong TakeWord()
    {
        var (word, mask) = _taking.FirstWord;
        ref var asked = ref _asked[_taking.Block]![word];
        var bits = asked & mask;
        asked &= ~mask;
        _taking = _taking.Rest;
        return bits;
    }

    /// <summary>Whether any of the pages was not asked for yet.</summary>
    bool Mark(Range range)
    {
        var asked = _asked[range.Block] ??= new ulong[BitWords.Count(memory.Blocks[range.Block].Pages)];
        var isAny = false;
        for (; range.Count > 0; range = range.Rest)
        {
            var (word, mask) = range.FirstWord;
            isAny |= (asked[word] & mask) != mask;
            asked[word] |= mask;
        }
        return isAny;
    }

    int IndexOf(string name)
    {
        for (var i = 0; i < memory.Blocks.Count; i++)
            if (memory.Blocks[i].Name == name) return i;
        throw Wrong(MigrationErrorId.UnknownBlock, $"Pages of RAM block '{Printable.Text(name)}' are asked for, which is not known.");
    }

    static void Check(RamBlock block, ulong start, uint length)
    {
        if (length == 0 || length % GuestMemory.PageSize != 0)
            throw Wrong(MigrationErrorId.InvalidLength, $"A request for {length} bytes can't be, only for whole pages.");
        if (start % GuestMemory.PageSize != 0 || start > (ulong)block.Length || length > (ulong)block.Length - start)
            throw Wrong(MigrationErrorId.OffsetOutOfRange,
                $"0x{start:x}+0x{length:x} is asked for, which does not lie in block '{block.Name}' of {block.Length} bytes in whole pages.");
    }

    static MigrationException Wrong(MigrationErrorId id, string message) => new(id, MigrationSide.Destination, message);

    /// <summary>Pages that lie together.</summary>
    readonly record struct Range(int Block, long First, long Count)
    {
        /// <summary>Those that lie in the first word of the bitmap.</summary>
        public (int Word, ulong Mask) FirstWord => ((int)(First / 64), BitWords.Mask((int)(First % 64), InFirstWord));

        /// <summary>Those behind it.</summary>
        public Range Rest => new(Block, First + InFirstWord, Count - InFirstWord);

        int InFirstWord => (int)Math.Min(Count, 64 - (First % 64));
    }
}
