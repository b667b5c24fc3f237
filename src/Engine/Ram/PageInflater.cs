using System.IO.Compression;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>Unpacks pages of the capability compress (QEMU before 9.1): each is a zlib stream of its own. One thread.</summary>
sealed class PageInflater
{
    /// <summary>zlib's compressBound of a page: the most that a source sends for one.</summary>
    public const int MaxCompressed = GuestMemory.PageSize + (GuestMemory.PageSize >> 12) + 13;

    readonly byte[] _packed = new byte[MaxCompressed];

    // One byte more than a page shows a stream that holds too much.
    readonly byte[] _page = new byte[GuestMemory.PageSize + 1];

    /// <summary>The page, until the next call; empty when the bytes are not one page exactly.</summary>
    public ReadOnlySpan<byte> TryInflate(ReadOnlySpan<byte> packed)
    {
        packed.CopyTo(_packed);
        try
        {
            using var stream = new ZLibStream(new MemoryStream(_packed, 0, packed.Length, writable: false), CompressionMode.Decompress);
            var length = stream.ReadAtLeast(_page, _page.Length, throwOnEndOfStream: false);
            return length == GuestMemory.PageSize ? _page.AsSpan(0, length) : default;
        }
        catch (InvalidDataException)
        {
            return default;
        }
    }
}
