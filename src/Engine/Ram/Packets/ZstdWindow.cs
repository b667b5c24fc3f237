using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>How far back a zstd frame refers, which is the memory that unpacking it takes (RFC 8878, 3.1.1.1).</summary>
static class ZstdWindow
{
    /// <summary>The first four bytes of a frame.</summary>
    public const uint Magic = 0xFD2FB528;

    /// <summary>The window of QEMU's highest level, 128 MiB; a frame that wants more is not unpacked.</summary>
    public const int MaxBits = 27;

    // The least that zstd knows.
    const int MinBits = 10;

    // Magic, descriptor, window, dictionary, content size.
    const int MaxHeader = 4 + 1 + 1 + 4 + 8;

    /// <summary>The window of the frame that comes next, as a power of two, 10 to 27; what is no frame is left to the decompressor.</summary>
    public static int BitsOf(WireReader reader, int size)
    {
        var length = Math.Min(size, MaxHeader);
        var window = SizeOf(reader.Peek(length)[..length]);
        return window > 1UL << MaxBits ? MaxBits : Math.Max(MinBits, BitOperations.Log2(BitOperations.RoundUpToPowerOf2(window)));
    }

    /// <summary>The window in bytes; 0 for what is no frame, or is cut off.</summary>
    public static ulong SizeOf(ReadOnlySpan<byte> header)
    {
        if (header.Length < 6 || BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) return 0;
        var descriptor = header[4];
        return (descriptor & 0x20) == 0 ? WindowSize(header[5]) : ContentSize(header[5..], descriptor);
    }

    static ulong WindowSize(byte window)
    {
        var power = 1UL << (MinBits + (window >> 3));
        return power + (power / 8 * (window & 7UL));
    }

    // A frame in one piece: its window is its content, whose size stands behind the dictionary's number.
    static ulong ContentSize(ReadOnlySpan<byte> rest, byte descriptor)
    {
        var skipped = (descriptor & 3) switch { 0 => 0, 1 => 1, 2 => 2, _ => 4 };
        var size = 1 << (descriptor >> 6);
        if (rest.Length < skipped + size) return 0;
        rest = rest[skipped..];
        return size switch
        {
            1 => rest[0],
            2 => BinaryPrimitives.ReadUInt16LittleEndian(rest) + 256UL,
            4 => BinaryPrimitives.ReadUInt32LittleEndian(rest),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(rest),
        };
    }
}
