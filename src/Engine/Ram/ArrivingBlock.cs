using System.Numerics;
using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// A RAM block that fills up, and which of its pages have come (QEMU's receivedmap). Pages of one block may come from several threads
/// at a time, each page from one. A page counts as received only when all of it is there.
/// </summary>
sealed unsafe partial class ArrivingBlock(RamBlock block)
{
    readonly ulong[] _received = new ulong[BitWords.Count(block.Pages)];
    int _complete;

    public RamBlock Block => block;

    public string Name => block.Name;

    public long Length => block.Length;

    public bool HasCome(long page) => BitWords.Has(_received, page);

    /// <summary>One bit a page, as it is set while they come; not to be written.</summary>
    public ulong[] Come => _received;

    /// <summary>Stores a page, and counts it.</summary>
    public void Store(long page, ReadOnlySpan<byte> bytes)
    {
        Write(page, bytes);
        MarkReceived(page);
    }

    /// <summary>Makes a page zero, and counts it.</summary>
    public void Clear(long page)
    {
        MakeZero(page);
        MarkReceived(page);
    }

    /// <summary>Stores a page without counting it: <see cref="MarkReceived(int, ulong)"/> has to follow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write(long page, ReadOnlySpan<byte> bytes)
    {
        var to = block.PageForWrite(page);
        // The framework's copy reads a byte of the destination first. On memory that was never touched that maps the page of
        // zeros, and the write after it faults once more and flushes the other processor: a store before it faults once.
        *to = bytes[0];
        bytes.CopyTo(new Span<byte>(to, GuestMemory.PageSize));
    }

    /// <summary>Makes a page zero without counting it. Memory that was never written is zero already, and stays without room.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MakeZero(long page)
    {
        if (block.IsTouched(page / RamBlock.PagesPerChunk)) ClearWritten(page);
    }

    // A look at memory that was never written gives it no room, a write would (ram_handle_zero of QEMU).
    void ClearWritten(long page)
    {
        if (!PageContent.IsZero(block.Page(page))) block.Span(page * GuestMemory.PageSize, GuestMemory.PageSize).Clear();
    }

    /// <summary>Makes pages that lie together zero without counting them.</summary>
    public void MakeZero(long first, int count)
    {
        for (var end = first + count; first < end;)
        {
            var chunk = first / RamBlock.PagesPerChunk;
            var next = Math.Min(end, (chunk + 1) * RamBlock.PagesPerChunk);
            if (block.IsTouched(chunk))
                for (var page = first; page < next; page++) ClearWritten(page);
            first = next;
        }
    }

    /// <summary>The bytes of a page that is changed in place.</summary>
    public Span<byte> Page(long page) => new(block.PageForWrite(page), GuestMemory.PageSize);

    /// <summary>The bytes of pages that lie together, to be read into: at most 2 GiB.</summary>
    public Span<byte> PagesForWrite(long first, int count)
    {
        // One page of each chunk says that the chunk is written to.
        for (var page = first; page < first + count; page = (page / RamBlock.PagesPerChunk + 1) * RamBlock.PagesPerChunk) block.PageForWrite(page);
        return block.Span(first * GuestMemory.PageSize, count * GuestMemory.PageSize);
    }

    /// <summary>Counts pages that lie together.</summary>
    public void MarkReceived(long first, int count)
    {
        for (var end = first + count; first < end;)
        {
            var bit = (int)(first & 63);
            var bits = (int)Math.Min(64 - bit, end - first);
            MarkReceived((int)(first >> 6), BitWords.Mask(bit, bits));
            first += bits;
        }
    }

    public void MarkReceived(long page) => MarkReceived((int)(page >> 6), 1UL << (int)(page & 63));

    /// <summary>Counts pages of one word of 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MarkReceived(int word, ulong pages) => Interlocked.Or(ref _received[word], pages);

    /// <summary>Pages that will come anew: they count as missing from here on. No other thread may bring pages meanwhile.</summary>
    public void Discard(long first, long count)
    {
        _complete = Math.Min(_complete, (int)(first >> 6));
        for (var page = first; page < first + count;)
        {
            var bit = (int)(page & 63);
            var bits = (int)Math.Min(64 - bit, first + count - page);
            _received[page >> 6] &= ~BitWords.Mask(bit, bits);
            page += bits;
        }
    }

    /// <summary>One bit a page: which have come.</summary>
    public ulong[] ReceivedBitmap()
    {
        var copy = new ulong[_received.Length];
        for (var i = 0; i < copy.Length; i++) copy[i] = Volatile.Read(ref _received[i]);
        return copy;
    }

    /// <summary>
    /// Whether all pages are there. What was seen to be whole is not looked at again: asked while the guest still runs at its source,
    /// it has little left to look at when the guest stands. One thread asks.
    /// </summary>
    public bool IsComplete
    {
        get
        {
            if (_complete < _received.Length)
            {
                var next = _received.AsSpan(_complete).IndexOfAnyExcept(ulong.MaxValue);
                _complete = next < 0 ? _received.Length : _complete + next;
            }
            // The last word may have bits for fewer pages.
            return _complete == _received.Length || (_complete == _received.Length - 1 && MissingFrom(_complete) == block.Pages);
        }
    }

    /// <summary>Pages that are not there yet.</summary>
    public long MissingPages
    {
        get
        {
            var missing = block.Pages;
            for (var i = 0; i < _received.Length; i++) missing -= BitOperations.PopCount(Volatile.Read(ref _received[i]));
            return missing;
        }
    }

    /// <summary>The first page that is not there yet; <see cref="RamBlock.Pages"/> when all are.</summary>
    public long FirstMissing => MissingFrom(0);

    long MissingFrom(int word)
    {
        for (; word < _received.Length; word++)
        {
            var missing = ~Volatile.Read(ref _received[word]);
            if (missing != 0) return Math.Min(block.Pages, (word * 64L) + BitOperations.TrailingZeroCount(missing));
        }
        return block.Pages;
    }
}
