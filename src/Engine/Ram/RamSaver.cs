using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Sends RAM: the block list, then dirty pages pass by pass, block by block (ram.c of QEMU). Nothing is allocated per page.
/// </summary>
/// <param name="guest">Whose RAM.</param>
/// <param name="sectionId">The section's number.</param>
/// <param name="xbzrleCacheSize">Bytes for pages as they were sent, of which differences are made; 0 sends none.</param>
sealed partial class RamSaver(MemoryGuest guest, uint sectionId = RamSaver.DefaultSectionId, long xbzrleCacheSize = 0) : IIterableState
{
    /// <summary>The section's number where nothing else claims it.</summary>
    public const uint DefaultSectionId = 1;

    // QEMU's MAX_WAIT: a PART ends after 50 ms, so that the loop around it gets its turn.
    static readonly long MaxPart = Stopwatch.Frequency / 20;

    // The longest record: word, block name with its length, page.
    const int MaxRecord = 8 + 1 + StreamConstants.MaxName + GuestMemory.PageSize;

    // Word and fill byte, when the block goes on.
    const int ZeroRecord = 8 + 1;

    Part[] _parts = Part.Of(guest.Memory);
    int _part;
    int _word;
    long _pending;
    Part? _named;

    public SectionHeader Section { get; } = new(sectionId, StreamConstants.RamSection, 0, StreamConstants.RamVersion);

    /// <summary>Pages sent as they are.</summary>
    public long NormalPages { get; private set; }

    /// <summary>Pages sent as zero.</summary>
    public long ZeroPages { get; private set; }

    /// <summary>How often the dirty log was collected; the one of the setup counts.</summary>
    public int SyncCount { get; private set; }

    /// <summary>Pages that the last collection found dirty which were not known to be.</summary>
    public long DirtyPagesFound { get; private set; }

    public long PendingEstimate => _pending * GuestMemory.PageSize;

    public void SaveSetup(WireWriter writer)
    {
        if (xbzrleCacheSize > 0) _xbzrle = new XbzrleSaver(XbzrleCache.Fit(xbzrleCacheSize, guest.Memory.Length));
        // The first pass sends everything, so what was logged before it is of no interest.
        guest.AtTickBoundary(() =>
        {
            guest.Memory.StartLog();
            return true;
        });
        _pending = 0;
        foreach (var part in _parts)
        {
            part.Dirty.SetAll();
            _pending += part.Dirty.Count;
        }
        SyncCount = 1;
        writer.UInt64((ulong)guest.Memory.Length | RamFlags.MemSize);
        foreach (var block in guest.Memory.Blocks)
        {
            writer.Name(block.Name);
            writer.UInt64((ulong)block.Length);
        }
        writer.UInt64(RamFlags.Eos);
    }

    public void SaveIterate(WireWriter writer, long maxBytes)
    {
        SavePages(writer, maxBytes, Stopwatch.GetTimestamp() + MaxPart);
        writer.UInt64(RamFlags.Eos);
    }

    public void SaveComplete(WireWriter writer)
    {
        PendingExact();
        _isLastStage = true;
        SavePages(writer, long.MaxValue, long.MaxValue);
        writer.UInt64(RamFlags.Eos);
    }

    public long PendingExact()
    {
        DirtyPagesFound = 0;
        foreach (var part in _parts)
            if (part.Block.Log is { } log) DirtyPagesFound += part.Dirty.Collect(log);
        _pending += DirtyPagesFound;
        SyncCount++;
        _xbzrle?.EndPeriod(HandledPages);
        return PendingEstimate;
    }

    public void Cleanup()
    {
        ReleaseCache();
        guest.AtTickBoundary(() =>
        {
            guest.Memory.StopLog();
            return true;
        });
    }

    /// <summary>Lets go of the bitmaps; only the counters are of use from here on.</summary>
    public void Forget() => (_parts, _pending) = ([], 0);

    /// <summary>Goes on where it stopped, wraps round, and ends when nothing is dirty or one of the limits is reached.</summary>
    void SavePages(WireWriter writer, long maxBytes, long until)
    {
        var end = maxBytes > long.MaxValue - writer.Position ? long.MaxValue : writer.Position + maxBytes;
        while (_pending > 0 && writer.Position < end)
        {
            var part = _parts[_part];
            var bits = part.Dirty.Word(_word);
            if (bits != 0)
            {
                if (until != long.MaxValue && Stopwatch.GetTimestamp() > until) return;
                var sent = SaveWord(writer, part, bits, end);
                part.Dirty.ClearBits(_word, sent);
                _pending -= BitOperations.PopCount(sent);
                if (sent != bits) return;
            }
            if (++_word < part.Dirty.WordCount) continue;
            _word = 0;
            if (++_part < _parts.Length) continue;
            _part = 0;
            EndRound();
        }
    }

    /// <summary>Sends the pages of one word of the bitmap, and returns the bits of those that it sent.</summary>
    ulong SaveWord(WireWriter writer, Part part, ulong bits, long end)
    {
        if (!part.Block.IsTouched(_word))
        {
            SaveZeros(writer, part, bits);
            return bits;
        }
        ulong sent = 0;
        var first = (long)_word * 64;
        for (var left = bits; left != 0 && writer.Position < end; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            SavePage(writer, part, first + bit);
            sent |= 1UL << bit;
        }
        return sent;
    }

    /// <summary>Pages of one word of the bitmap that were never written: their records in one piece, without a look at them.</summary>
    void SaveZeros(WireWriter writer, Part part, ulong bits)
    {
        var first = (long)_word * 64;
        if (_named != part)
        {
            SaveZero(writer, part, first + BitOperations.TrailingZeroCount(bits));
            bits &= bits - 1;
        }
        var records = writer.Pipe.GetSpan(64 * ZeroRecord);
        var at = 0;
        for (var left = bits; left != 0; left &= left - 1)
        {
            var page = (ulong)(first + BitOperations.TrailingZeroCount(left));
            BinaryPrimitives.WriteUInt64BigEndian(records[at..], (page * GuestMemory.PageSize) | RamFlags.Zero | RamFlags.Continue);
            records[at + 8] = 0;
            at += ZeroRecord;
        }
        writer.Advance(at);
        ZeroPages += BitOperations.PopCount(bits);
    }

    void SavePage(WireWriter writer, Part part, long page)
    {
        var bytes = part.Block.Page(page);
        if (PageContent.IsZero(bytes))
        {
            SaveZero(writer, part, page);
            _differences?.SaveZero(part.AddressOf(page), SyncCount, _isLastStage);
            return;
        }
        if (_differences is not null && TrySaveDifference(writer, part, page, ref bytes)) return;
        if (SendsSparse && TrySaveSparse(writer, part, page, bytes)) return;
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, part, page, RamFlags.Page);
        bytes.CopyTo(record[length..]);
        writer.Advance(length + GuestMemory.PageSize);
        NormalPages++;
    }

    void SaveZero(WireWriter writer, Part part, long page)
    {
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, part, page, RamFlags.Zero);
        record[length] = 0;
        writer.Advance(length + 1);
        ZeroPages++;
    }

    /// <summary>The word of a record, with the block's name unless the record before was of the same block (QEMU's last_sent_block).</summary>
    int WriteWord(Span<byte> record, Part part, long page, ulong flag)
    {
        var offset = (ulong)page * GuestMemory.PageSize;
        if (_named == part)
        {
            BinaryPrimitives.WriteUInt64BigEndian(record, offset | flag | RamFlags.Continue);
            return 8;
        }
        BinaryPrimitives.WriteUInt64BigEndian(record, offset | flag);
        record[8] = (byte)part.Name.Length;
        part.Name.CopyTo(record[9..]);
        _named = part;
        return 9 + part.Name.Length;
    }

    /// <summary>One block, and which of its pages are still to be sent.</summary>
    sealed class Part(RamBlock block, long address)
    {
        public static Part[] Of(GuestMemory memory)
        {
            long address = 0;
            return [.. memory.Blocks.Select(block => new Part(block, (address += block.Length) - block.Length))];
        }

        public RamBlock Block => block;

        public byte[] Name { get; } = System.Text.Encoding.UTF8.GetBytes(block.Name);

        public PageBitmap Dirty { get; } = new(block.Pages);

        /// <summary>Where a page lies when the blocks lie one behind the other (ram_addr_t of QEMU).</summary>
        public long AddressOf(long page) => address + (page * GuestMemory.PageSize);
    }
}
