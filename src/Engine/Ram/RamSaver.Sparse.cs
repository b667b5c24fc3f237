using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Finds pages of which little is not zero.</summary>
interface ISparseEncoder
{
    /// <summary>
    /// The page's difference to a page of zeros (<see cref="Xbzrle"/>), in at most a page's bytes, until the next call. The guest may write
    /// to the page meanwhile: whatever comes out of it must be a valid encoding, for the page goes once more. False when the page should go
    /// in another way.
    /// </summary>
    bool TryEncode(ReadOnlySpan<byte> page, out ReadOnlySpan<byte> encoded);
}

/// <summary>Pages of which little is not zero, to a destination of ours (<see cref="Handshake"/>).</summary>
sealed partial class RamSaver
{
    /// <summary>Who looks at each page that is neither zero nor a difference before it goes whole; null where nobody does.</summary>
    public ISparseEncoder? Sparse { get; set; }

    /// <summary>Pages sent as differences to zeros.</summary>
    public long SparsePages { get; private set; }

    /// <summary>True when the page needs no record of its own any more.</summary>
    bool TrySaveSparse(WireWriter writer, Part part, long page, ReadOnlySpan<byte> bytes)
    {
        if (!SendsRuns || Sparse is null || !Sparse.TryEncode(bytes, out var encoded)) return false;
        var record = writer.Pipe.GetSpan(MaxRecord + sizeof(ushort));
        var length = WriteWord(record, part, page, RamFlags.Run | RamFlags.Xbzrle);
        BinaryPrimitives.WriteUInt16BigEndian(record[length..], (ushort)encoded.Length);
        encoded.CopyTo(record[(length + sizeof(ushort))..]);
        writer.Advance(length + sizeof(ushort) + encoded.Length);
        SparsePages++;
        return true;
    }
}
