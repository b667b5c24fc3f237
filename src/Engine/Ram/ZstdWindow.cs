using System.Numerics;
using PsMigrate.Engine.Protocol;
using ZstdSharp.Unsafe;

namespace PsMigrate.Engine.Ram;

/// <summary>How far back a zstd frame refers, which is the memory that unpacking it takes.</summary>
static class ZstdWindow
{
    /// <summary>The window of QEMU's highest level, 128 MiB; a frame that wants more is not unpacked.</summary>
    public const int MaxBits = 27;

    // The least that zstd knows.
    const int MinBits = 10;

    // Magic, descriptor, window, dictionary, content size.
    const int MaxHeader = 4 + 1 + 1 + 4 + 8;

    /// <summary>The window of the frame that comes next, as a power of two, 10 to 27; what is no frame is left to the decompressor.</summary>
    public static unsafe int BitsOf(WireReader reader, int size)
    {
        var length = Math.Min(size, MaxHeader);
        var start = reader.Peek(length)[..length];
        ZSTD_frameHeader header = default;
        fixed (byte* bytes = start)
        {
            var rest = Methods.ZSTD_getFrameHeader(&header, bytes, (nuint)length);
            if (rest != 0) return MinBits;
        }
        return header.windowSize > 1UL << MaxBits ? MaxBits : Math.Max(MinBits, BitOperations.Log2(BitOperations.RoundUpToPowerOf2(header.windowSize)));
    }
}
