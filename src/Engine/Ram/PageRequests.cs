using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Pages that the destination asked for (src_page_requests of QEMU), in the order in which it did. The return path adds, the sending
/// thread takes. A page is given out once, however often it is asked for: it goes then, or has gone, until a link that breaks has all
/// forgotten (<see cref="Forget"/>). So a destination that asks without end makes this end keep one bit and one entry a page at most, and what
/// it asks for again costs next to nothing. Thread-safe.
/// </summary>
sealed class PageRequests(GuestMemory memory)
{
    readonly object _lock = new();
    readonly Queue<(int Block, int Word, ulong Pages)> _asked = new();
    readonly AskedPages?[] _known = new AskedPages?[memory.Blocks.Count];
    int _named = -1;
    long _received;
    volatile bool _any;

    /// <summary>Requests that were received (postcopy-requests of QEMU).</summary>
    public long Received => Volatile.Read(ref _received);

    /// <summary>What all requests since the last <see cref="Forget"/> have cost.</summary>
    internal long Steps
    {
        get { lock (_lock) return _known.Sum(known => known?.Steps ?? 0); }
    }

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
            if (!Enqueue(index, (long)(start / GuestMemory.PageSize), length / GuestMemory.PageSize)) return;
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
            if (_asked.TryDequeue(out var next)) (block, word, bits) = next;
            _any = _asked.Count > 0;
        }
        return bits != 0;
    }

    /// <summary>Drops what was asked for, and the room that it took: over another link all that is waited for is asked for again.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _asked.Clear();
            _asked.TrimExcess();
            Array.Clear(_known);
            _any = false;
        }
    }

    /// <summary>Whether any of the pages was not asked for yet.</summary>
    bool Enqueue(int block, long first, long count)
    {
        var known = _known[block] ??= new AskedPages(memory.Blocks[block].Pages);
        var (end, isAny) = (first + count, false);
        for (var word = known.NextOpen((int)(first / 64)); word * 64L < end; word = known.NextOpen(word + 1))
        {
            var from = Math.Max(first, word * 64L);
            var asked = known.Ask(word, BitWords.Mask((int)(from % 64), (int)(Math.Min(end, (word + 1) * 64L) - from)));
            if (asked == 0) continue;
            _asked.Enqueue((block, word, asked));
            isAny = true;
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
}
