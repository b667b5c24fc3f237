using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Where the pages of one RAM block lie in a file of QEMU's mapped-ram (MappedRamHeader of ram.c), packed big-endian: <c>u32 version 1,
/// u64 page size, u64 bitmap offset, u64 pages offset</c>. Offsets count from the start of the file.
/// </summary>
/// <param name="BitmapOffset">One bit a page, in little-endian words of 64; a page whose bit is clear is zero.</param>
/// <param name="PagesOffset">The first page; each lies at its number times the page size behind it.</param>
readonly record struct MappedBlockHeader(long BitmapOffset, long PagesOffset)
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 4 + 8 + 8 + 8;

    const uint Version = 1;

    // MAPPED_RAM_FILE_OFFSET_ALIGNMENT.
    const long Alignment = 1 << 20;

    /// <summary>Bytes of the bitmap of so many pages.</summary>
    public static long BitmapSize(long pages) => (pages + 63) / 64 * 8;

    /// <summary>The layout of a block whose header begins at that place of the file.</summary>
    public static MappedBlockHeader At(long position, long pages)
    {
        var bitmap = position + Size;
        return new(bitmap, (bitmap + BitmapSize(pages) + Alignment - 1) / Alignment * Alignment);
    }

    public void Write(WireWriter writer)
    {
        writer.UInt32(Version);
        writer.UInt64(GuestMemory.PageSize);
        writer.UInt64((ulong)BitmapOffset);
        writer.UInt64((ulong)PagesOffset);
    }

    /// <summary>Reads one of a block of that length, in a file of that length in which the stream begins at a place. Throws UnsupportedVersion, InvalidValue, OffsetOutOfRange.</summary>
    public static MappedBlockHeader Read(WireReader reader, long blockLength, long fileLength, long start)
    {
        var version = reader.UInt32();
        if (version != Version)
            throw reader.Error(MigrationErrorId.UnsupportedVersion, $"mapped-ram version {version} is not supported, only {Version}.");
        var pageSize = reader.UInt64();
        if (pageSize != GuestMemory.PageSize)
            throw reader.Error(MigrationErrorId.InvalidValue, $"Pages of {pageSize} bytes are not supported, only {GuestMemory.PageSize}.");
        var (bitmap, pages) = (reader.UInt64(), reader.UInt64());
        var bitmapSize = BitmapSize(blockLength / GuestMemory.PageSize);
        CheckRange(reader, "bitmap", bitmap, bitmapSize, fileLength);
        // The stream goes on behind the last page, so that all of them lie within the file even where they are holes.
        CheckRange(reader, "pages", pages, blockLength, fileLength);
        if (pages % GuestMemory.PageSize != 0)
            throw reader.Error(MigrationErrorId.InvalidValue, $"Pages at 0x{pages:x} can't be: that is no multiple of {GuestMemory.PageSize}.");
        // As QEMU writes them; what lies over something else is no page and no bitmap.
        if (bitmap < (ulong)(start + reader.Position) || pages < bitmap + (ulong)bitmapSize)
            throw reader.Error(MigrationErrorId.InvalidValue, $"A bitmap at 0x{bitmap:x} and pages at 0x{pages:x} lie over something else.");
        return new((long)bitmap, (long)pages);
    }

    static void CheckRange(WireReader reader, string what, ulong offset, long length, long fileLength)
    {
        if (length > fileLength || offset > (ulong)(fileLength - length))
            throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"The {what} of {length} bytes at 0x{offset:x} lie outside the file of {fileLength} bytes.");
    }
}
