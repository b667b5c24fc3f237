using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// What can be said of a page by looking at it (buffer_is_zero of QEMU). Compiled well at once: the first migration of a process
/// would be over before tiers could help it.
/// </summary>
static class PageContent
{
    // Bytes between two decisions whether to go on, with the widest vectors: half as many cost a twentieth of the speed.
    const int Step = 512;

    /// <summary>Whether all bytes of a page are zero; most pages that are not show it in their first word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(ReadOnlySpan<byte> page)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(page.Length, GuestMemory.PageSize);
        return IsZero(ref MemoryMarshal.GetReference(page));
    }

    /// <summary>The same, byte by byte: what the others are tested against.</summary>
    public static bool IsZeroPlain(ReadOnlySpan<byte> page)
    {
        foreach (var one in page)
            if (one != 0) return false;
        return true;
    }

    /// <summary>
    /// Of up to 64 pages those that are zero: the pages are those of <paramref name="bits"/> behind page 64 × <paramref name="word"/>.
    /// Those of a chunk that was never written are not looked at. A page that is written meanwhile may count as either.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe ulong ZeroBits(RamBlock block, int word, ulong bits)
    {
        if (!block.IsTouched(word)) return bits;
        var chunk = block.Address + ((long)word * RamBlock.PagesPerChunk * GuestMemory.PageSize);
        ulong zeros = 0;
        for (var left = bits; left != 0; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            if (IsZero(ref chunk[bit * GuestMemory.PageSize])) zeros |= 1UL << bit;
        }
        return zeros;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static bool IsZero(ref byte page) =>
        Unsafe.ReadUnaligned<ulong>(ref page) == 0
        && (Vector512.IsHardwareAccelerated ? IsZero512(ref page) : Vector256.IsHardwareAccelerated ? IsZero256(ref page) : IsZero128(ref page));

    /// <summary>A page in vectors of 64 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool IsZero512(ref byte page)
    {
        for (nuint at = 0; at < GuestMemory.PageSize; at += Step)
        {
            var low = Vector512.LoadUnsafe(ref page, at) | Vector512.LoadUnsafe(ref page, at + 64)
                | Vector512.LoadUnsafe(ref page, at + 128) | Vector512.LoadUnsafe(ref page, at + 192);
            var high = Vector512.LoadUnsafe(ref page, at + 256) | Vector512.LoadUnsafe(ref page, at + 320)
                | Vector512.LoadUnsafe(ref page, at + 384) | Vector512.LoadUnsafe(ref page, at + 448);
            if ((low | high) != Vector512<byte>.Zero) return false;
        }
        return true;
    }

    /// <summary>A page in vectors of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool IsZero256(ref byte page)
    {
        for (nuint at = 0; at < GuestMemory.PageSize; at += Step / 2)
        {
            var low = Vector256.LoadUnsafe(ref page, at) | Vector256.LoadUnsafe(ref page, at + 32)
                | Vector256.LoadUnsafe(ref page, at + 64) | Vector256.LoadUnsafe(ref page, at + 96);
            var high = Vector256.LoadUnsafe(ref page, at + 128) | Vector256.LoadUnsafe(ref page, at + 160)
                | Vector256.LoadUnsafe(ref page, at + 192) | Vector256.LoadUnsafe(ref page, at + 224);
            if ((low | high) != Vector256<byte>.Zero) return false;
        }
        return true;
    }

    /// <summary>A page in vectors of 16 bytes; also where there are no vectors at all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool IsZero128(ref byte page)
    {
        for (nuint at = 0; at < GuestMemory.PageSize; at += Step / 4)
        {
            var low = Vector128.LoadUnsafe(ref page, at) | Vector128.LoadUnsafe(ref page, at + 16)
                | Vector128.LoadUnsafe(ref page, at + 32) | Vector128.LoadUnsafe(ref page, at + 48);
            var high = Vector128.LoadUnsafe(ref page, at + 64) | Vector128.LoadUnsafe(ref page, at + 80)
                | Vector128.LoadUnsafe(ref page, at + 96) | Vector128.LoadUnsafe(ref page, at + 112);
            if ((low | high) != Vector128<byte>.Zero) return false;
        }
        return true;
    }
}
