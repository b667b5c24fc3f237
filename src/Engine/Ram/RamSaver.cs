using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Sends RAM: the block list, then dirty pages pass by pass (ram.c of QEMU). Nothing is allocated per page.</summary>
sealed class RamSaver(MemoryGuest guest) : IIterableState
{
    // QEMU's MAX_WAIT: a PART ends after 50 ms, so that the loop around it gets its turn.
    static readonly long MaxPart = Stopwatch.Frequency / 20;

    // The longest record: word, block name with its length, page.
    const int MaxRecord = 8 + 1 + StreamConstants.MaxName + GuestMemory.PageSize;

    // Word and fill byte, when the block goes on.
    const int ZeroRecord = 8 + 1;

    readonly RamBlock _ram = guest.Memory.Ram;
    PageBitmap _dirty = new(guest.Memory.Ram.Pages);
    int _word;
    bool _hasNamedBlock;

    public SectionHeader Section { get; } = new(1, StreamConstants.RamSection, 0, StreamConstants.RamVersion);

    /// <summary>Pages sent as they are.</summary>
    public long NormalPages { get; private set; }

    /// <summary>Pages sent as zero.</summary>
    public long ZeroPages { get; private set; }

    /// <summary>How often the dirty log was collected; the one of the setup counts.</summary>
    public int SyncCount { get; private set; }

    /// <summary>Pages that the last collection found dirty which were not known to be.</summary>
    public long DirtyPagesFound { get; private set; }

    public long PendingEstimate => _dirty.Count * GuestMemory.PageSize;

    public void SaveSetup(WireWriter writer)
    {
        // The first pass sends everything, so what was logged before it is of no interest.
        guest.AtTickBoundary(() =>
        {
            guest.Memory.StartLog();
            return true;
        });
        _dirty.SetAll();
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
        SavePages(writer, long.MaxValue, long.MaxValue);
        writer.UInt64(RamFlags.Eos);
    }

    public long PendingExact()
    {
        if (_ram.Log is { } log) DirtyPagesFound = _dirty.Collect(log);
        SyncCount++;
        return PendingEstimate;
    }

    public void Cleanup() => guest.AtTickBoundary(() =>
    {
        guest.Memory.StopLog();
        return true;
    });

    /// <summary>Lets go of the bitmap; only the counters are of use from here on.</summary>
    public void Forget() => _dirty = new PageBitmap(0);

    /// <summary>Goes on where it stopped, wraps round, and ends when nothing is dirty or one of the limits is reached.</summary>
    void SavePages(WireWriter writer, long maxBytes, long until)
    {
        var end = maxBytes > long.MaxValue - writer.Position ? long.MaxValue : writer.Position + maxBytes;
        while (_dirty.Count > 0 && writer.Position < end)
        {
            var bits = _dirty.Word(_word);
            if (bits != 0)
            {
                if (until != long.MaxValue && Stopwatch.GetTimestamp() > until) return;
                var sent = SaveWord(writer, bits, end);
                _dirty.ClearBits(_word, sent);
                if (sent != bits) return;
            }
            if (++_word == _dirty.WordCount) _word = 0;
        }
    }

    /// <summary>Sends the pages of one word of the bitmap, and returns the bits of those that it sent.</summary>
    ulong SaveWord(WireWriter writer, ulong bits, long end)
    {
        if (!_ram.IsTouched(_word))
        {
            SaveZeros(writer, bits);
            return bits;
        }
        ulong sent = 0;
        var first = (long)_word * 64;
        for (var left = bits; left != 0 && writer.Position < end; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            SavePage(writer, first + bit);
            sent |= 1UL << bit;
        }
        return sent;
    }

    /// <summary>Pages of one word of the bitmap that were never written: their records in one piece, without a look at them.</summary>
    void SaveZeros(WireWriter writer, ulong bits)
    {
        var first = (long)_word * 64;
        if (!_hasNamedBlock)
        {
            SaveZero(writer, first + BitOperations.TrailingZeroCount(bits));
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

    void SavePage(WireWriter writer, long page)
    {
        var bytes = _ram.Page(page);
        if (PageContent.IsZero(bytes))
        {
            SaveZero(writer, page);
            return;
        }
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, page, RamFlags.Page);
        bytes.CopyTo(record[length..]);
        writer.Advance(length + GuestMemory.PageSize);
        NormalPages++;
    }

    void SaveZero(WireWriter writer, long page)
    {
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, page, RamFlags.Zero);
        record[length] = 0;
        writer.Advance(length + 1);
        ZeroPages++;
    }

    int WriteWord(Span<byte> record, long page, ulong flag)
    {
        var offset = (ulong)page * GuestMemory.PageSize;
        if (_hasNamedBlock)
        {
            BinaryPrimitives.WriteUInt64BigEndian(record, offset | flag | RamFlags.Continue);
            return 8;
        }
        BinaryPrimitives.WriteUInt64BigEndian(record, offset | flag);
        record[8] = (byte)_ram.Name.Length;
        System.Text.Encoding.UTF8.GetBytes(_ram.Name, record[9..]);
        _hasNamedBlock = true;
        return 9 + _ram.Name.Length;
    }
}
