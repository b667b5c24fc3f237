using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>QEMU's records: one for each page, copied into the block that leaves (ram_save_page of QEMU).</summary>
sealed partial class RamSaver
{
    // The longest record: word, block name with its length, page.
    const int MaxRecord = 8 + 1 + StreamConstants.MaxName + GuestMemory.PageSize;

    // Word and fill byte, when the block goes on.
    const int ZeroRecord = 8 + 1;

    Part? _named;

    /// <summary>Sends pages of the word that is next, each in a record, and returns the bits of those that it sent.</summary>
    ulong SaveInRecords(WireWriter writer, Part part, ulong bits, long end)
    {
        var zeros = PageContent.ZeroBits(part.Block, _word, bits);
        if (zeros == bits)
        {
            KeepZeros(part, zeros);
            SaveZeros(writer, part, bits);
            return bits;
        }
        var first = (long)_word * 64;
        var left = bits;
        for (; left != 0 && writer.Position < end; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            if ((zeros >> bit & 1) != 0) SaveZero(writer, part, first + bit);
            else SavePage(writer, part, first + bit);
        }
        KeepZeros(part, zeros & ~left);
        return bits & ~left;
    }

    /// <summary>Zero pages of one word of the bitmap: their records in one piece.</summary>
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
        _zeroPages += BitOperations.PopCount(bits);
    }

    /// <summary>A page that is not zero, in the shortest way that there is for it.</summary>
    void SavePage(WireWriter writer, Part part, long page)
    {
        var bytes = part.Block.Page(page);
        if (_differences is not null && TrySaveDifference(writer, part, page, ref bytes)) return;
        if (SendsSparse && TrySaveSparse(writer, part, page, bytes)) return;
        SaveWhole(writer, part, page, bytes);
    }

    void SaveWhole(WireWriter writer, Part part, long page, ReadOnlySpan<byte> bytes)
    {
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, part, page, RamFlags.Page);
        bytes.CopyTo(record[length..]);
        writer.Advance(length + GuestMemory.PageSize);
        _normalPages++;
    }

    void SaveZero(WireWriter writer, Part part, long page)
    {
        var record = writer.Pipe.GetSpan(MaxRecord);
        var length = WriteWord(record, part, page, RamFlags.Zero);
        record[length] = 0;
        writer.Advance(length + 1);
        _zeroPages++;
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
}
