using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Encodes what changed in a page, byte for byte as QEMU does (xbzrle_encode_buffer): pairs of <c>uleb zero-run, uleb run</c> with the
/// new bytes of the run after it; what is equal at the end is left out. <see cref="Xbzrle"/> is the other direction.
/// </summary>
static class XbzrleEncoder
{
    /// <summary>The encoding does not fit.</summary>
    public const int Overflow = -1;

    /// <summary>What <see cref="Compare"/> fills, a bit for each byte of a page.</summary>
    public const int Words = GuestMemory.PageSize / 64;

    /// <summary>
    /// The length of the encoding; 0 when the pages are equal, <see cref="Overflow"/> when it is longer than <paramref name="encoded"/>.
    /// Neither page may change meanwhile. Nothing is allocated.
    /// </summary>
    public static int Encode(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, Span<byte> encoded)
    {
        Span<ulong> changed = stackalloc ulong[Words];
        Compare(before, after, changed);
        return Encode(changed, after, encoded);
    }

    /// <summary>
    /// The same where it is known which bytes differ, a bit for each of <paramref name="after"/>. What it says of lengths depends on these
    /// bits alone: a page that is written to meanwhile gives a well-formed encoding, of bytes as they were at one time or another.
    /// </summary>
    public static int Encode(ReadOnlySpan<ulong> changed, ReadOnlySpan<byte> after, Span<byte> encoded)
    {
        int to = 0, at = 0;
        while (at < GuestMemory.PageSize)
        {
            // QEMU gives up here too, even where all the rest is equal.
            if (encoded.Length - to < 2) return Overflow;
            var start = Next(changed, at, 0);
            if (start == GuestMemory.PageSize) return to;
            to += WriteLength(encoded[to..], start - at);
            if (encoded.Length - to < 2) return Overflow;
            at = Next(changed, start, ulong.MaxValue);
            var run = after[start..at];
            to += WriteLength(encoded[to..], run.Length);
            if (run.Length > encoded.Length - to) return Overflow;
            run.CopyTo(encoded[to..]);
            to += run.Length;
        }
        return to;
    }

    /// <summary>The same, byte by byte: what <see cref="Encode(ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/> is tested against and measured by.</summary>
    public static int EncodePlain(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, Span<byte> encoded)
    {
        CheckPages(before, after);
        int to = 0, at = 0;
        while (at < after.Length)
        {
            if (encoded.Length - to < 2) return Overflow;
            var start = at;
            while (start < after.Length && before[start] == after[start]) start++;
            if (start == after.Length) return to;
            to += WriteLength(encoded[to..], start - at);
            if (encoded.Length - to < 2) return Overflow;
            for (at = start; at < after.Length && before[at] != after[at];) at++;
            to += WriteLength(encoded[to..], at - start);
            if (at - start > encoded.Length - to) return Overflow;
            while (start < at) encoded[to++] = after[start++];
        }
        return to;
    }

    /// <summary>A bit for each byte of two pages that differs, with the widest vectors that there are. Each byte is read once.</summary>
    public static void Compare(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, Span<ulong> changed)
    {
        CheckPages(before, after);
        ArgumentOutOfRangeException.ThrowIfNotEqual(changed.Length, Words);
        ref var first = ref MemoryMarshal.GetReference(before);
        ref var second = ref MemoryMarshal.GetReference(after);
        for (var i = 0; i < changed.Length; i++)
        {
            ref var a = ref Unsafe.Add(ref first, i * 64);
            ref var b = ref Unsafe.Add(ref second, i * 64);
            changed[i] = Vector512.IsHardwareAccelerated ? Compare512(ref a, ref b)
                : Vector256.IsHardwareAccelerated ? Compare256(ref a, ref b)
                : Compare128(ref a, ref b);
        }
    }

    /// <summary>64 bytes at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Compare512(ref byte a, ref byte b) =>
        ~Vector512.Equals(Vector512.LoadUnsafe(ref a), Vector512.LoadUnsafe(ref b)).ExtractMostSignificantBits();

    /// <summary>64 bytes in two steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Compare256(ref byte a, ref byte b)
    {
        ulong equal = 0;
        for (var at = 0; at < 64; at += 32)
            equal |= (ulong)Vector256.Equals(Vector256.LoadUnsafe(ref a, (nuint)at), Vector256.LoadUnsafe(ref b, (nuint)at))
                .ExtractMostSignificantBits() << at;
        return ~equal;
    }

    /// <summary>64 bytes in four steps; also where there are no vectors at all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Compare128(ref byte a, ref byte b)
    {
        ulong equal = 0;
        for (var at = 0; at < 64; at += 16)
            equal |= (ulong)Vector128.Equals(Vector128.LoadUnsafe(ref a, (nuint)at), Vector128.LoadUnsafe(ref b, (nuint)at))
                .ExtractMostSignificantBits() << at;
        return ~equal;
    }

    /// <summary>The first byte from <paramref name="at"/> on whose bit, xor <paramref name="turn"/>, is set; else the page's end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static int Next(ReadOnlySpan<ulong> changed, int at, ulong turn)
    {
        var word = at >> 6;
        if (word >= changed.Length) return GuestMemory.PageSize;
        var bits = (changed[word] ^ turn) & (ulong.MaxValue << (at & 63));
        while (bits == 0)
        {
            if (++word == changed.Length) return GuestMemory.PageSize;
            bits = changed[word] ^ turn;
        }
        return (word << 6) + BitOperations.TrailingZeroCount(bits);
    }

    // uleb128_encode_small: seven bits, then seven more. A page's runs need no third byte.
    static int WriteLength(Span<byte> to, int length)
    {
        if (length < 0x80)
        {
            to[0] = (byte)length;
            return 1;
        }
        to[0] = (byte)(length | 0x80);
        to[1] = (byte)(length >> 7);
        return 2;
    }

    static void CheckPages(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(before.Length, GuestMemory.PageSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(after.Length, GuestMemory.PageSize);
    }
}
