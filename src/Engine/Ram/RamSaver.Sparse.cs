using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Pages that are mostly zero, as the bytes that are not, to a destination of ours (<see cref="Handshake"/>).</summary>
sealed partial class RamSaver
{
    readonly byte[] _sparse = new byte[SparsePage.MaxEncoded];

    /// <summary>Whether pages that are neither zero nor a difference are looked at before they go whole. Only with <see cref="SendsRuns"/>.</summary>
    public bool SendsSparse { get; set; }

    /// <summary>Pages sent so.</summary>
    public long SparsePages { get; private set; }

    /// <summary>
    /// Bytes of pages that went in this pass and were written since, and of those still to go that may hold something. Takes nothing
    /// from the log.
    /// </summary>
    public (long Again, long Left) Peek()
    {
        long again = 0, left = 0;
        foreach (var part in _parts)
            for (var word = 0; word < part.Dirty.WordCount; word++)
            {
                var dirty = part.Dirty.Word(word);
                if (part.Block.Log is { } log) again += BitOperations.PopCount(log.Look(word) & ~dirty);
                if (dirty != 0 && part.Block.IsTouched(word)) left += BitOperations.PopCount(dirty);
            }
        return (again * GuestMemory.PageSize, left * GuestMemory.PageSize);
    }

    /// <summary>False when the page is to go whole.</summary>
    bool TrySaveSparse(WireWriter writer, Part part, long page, ReadOnlySpan<byte> bytes)
    {
        // First, since with the word the block counts as named.
        var length = SparsePage.Encode(bytes, _sparse);
        if (length == 0) return false;
        var record = writer.Pipe.GetSpan(MaxRecord);
        var at = WriteWord(record, part, page, RamFlags.Run | RamFlags.Xbzrle);
        BinaryPrimitives.WriteUInt16BigEndian(record[at..], (ushort)length);
        _sparse.AsSpan(0, length).CopyTo(record[(at + sizeof(ushort))..]);
        writer.Advance(at + sizeof(ushort) + length);
        SparsePages++;
        return true;
    }

    /// <summary>How many pages from there on can go in a run, up to so many, of which the first is known to go whole.</summary>
    /// <param name="part">The block.</param>
    /// <param name="first">The first page.</param>
    /// <param name="count">How many lie there, within one word.</param>
    /// <param name="dense">Which pages of the word look dense when the one before is (<see cref="SparsePage.DenseBits"/>); none where that is not known.</param>
    static int CountDense(Part part, long first, int count, ulong dense)
    {
        var known = 1;
        while (true)
        {
            known = Math.Min(count, known + BitOperations.TrailingZeroCount(~(dense >> (int)((first + known) & 63))));
            if (known == count || !SparsePage.LooksDense(part.Block.Page(first + known))) return known;
            known++;
        }
    }
}
