using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Pages that are mostly zero, as differences to a page of zeros (xbzrle_encode_buffer of QEMU): between two ends of ours they take a few
/// bytes instead of 4 KiB, and need no page that came before. <see cref="Xbzrle.TryDecode"/> onto a cleared page is the other direction.
/// </summary>
static class SparsePage
{
    /// <summary>The longest encoding: what needs more is sent whole, since it would save little and cost both ends their time.</summary>
    public const int MaxEncoded = GuestMemory.PageSize / 4;

    // Words that are looked at before anything else. The step is odd in words, so that records of a power of two show more than one field.
    const int Samples = 8;
    const int Step = (GuestMemory.PageSize / sizeof(ulong) / Samples) - 1;
    const int MostNonZero = 3;

    // Words of the first line, and of one near the middle: what is written from one to the other is too long anyway.
    const int NearWord = 5;
    const int FarWord = (30 * 8) + 2;

    static readonly byte[] Zeros = new byte[GuestMemory.PageSize];

    /// <summary>
    /// The length of the encoding; 0 when the page is not to be sent as one: it is dense, its encoding is longer than
    /// <see cref="MaxEncoded"/>, or it turned zero. A guest may write to the page meanwhile. Nothing is allocated.
    /// </summary>
    /// <param name="page">The page.</param>
    /// <param name="encoded">Room for <see cref="MaxEncoded"/> bytes.</param>
    public static int Encode(ReadOnlySpan<byte> page, Span<byte> encoded)
    {
        if (LooksDense(page)) return 0;
        Span<ulong> used = stackalloc ulong[XbzrleEncoder.Words];
        XbzrleEncoder.Compare(Zeros, page, used);
        return Count(used) > MaxEncoded ? 0 : Math.Max(0, XbzrleEncoder.Encode(used, page, encoded[..MaxEncoded]));
    }

    /// <summary>The same, byte by byte: what <see cref="Encode"/> is tested against. The page must not change meanwhile.</summary>
    public static int EncodePlain(ReadOnlySpan<byte> page, Span<byte> encoded) =>
        LooksDense(page) ? 0 : Math.Max(0, XbzrleEncoder.EncodePlain(Zeros, page, encoded[..MaxEncoded]));

    /// <summary>
    /// Whether nearly half of a few words is not zero: of a dense page that is known after four, so that dense pages cost next to
    /// nothing. A guess, on which nothing but the length of what is sent depends.
    /// </summary>
    public static bool LooksDense(ReadOnlySpan<byte> page)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(page);
        var nonZero = 0;
        for (int sample = 0, at = 0; sample < Samples; sample++, at += Step)
            if (words[at] != 0 && ++nonZero > MostNonZero) return true;
        return false;
    }

    /// <summary>
    /// Of up to 64 pages those that look dense by four words of two lines of the cache: enough where the page before is dense, and half of
    /// what <see cref="LooksDense"/> has to wait for. The pages are those of <paramref name="bits"/> behind page 64 × <paramref name="word"/>.
    /// Nothing is decided between two looks: so the processor waits for many at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe ulong DenseBits(RamBlock block, int word, ulong bits)
    {
        if (!block.IsTouched(word)) return 0;
        var chunk = block.Address + ((long)word * RamBlock.PagesPerChunk * GuestMemory.PageSize);
        ulong dense = 0;
        for (var left = bits; left != 0; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            var words = (ulong*)(chunk + (bit * GuestMemory.PageSize));
            var near = (words[0] != 0 ? 1UL : 0UL) & (words[NearWord] != 0 ? 1UL : 0UL);
            var far = (words[FarWord] != 0 ? 1UL : 0UL) & (words[FarWord + NearWord] != 0 ? 1UL : 0UL);
            dense |= (near & far) << bit;
        }
        return dense;
    }

    /// <summary>The same of one page, by its bytes: what <see cref="DenseBits"/> is tested against.</summary>
    public static bool LooksDensePlain(ReadOnlySpan<byte> page)
    {
        foreach (var word in (ReadOnlySpan<int>)[0, NearWord, FarWord, FarWord + NearWord])
            if (!page.Slice(word * sizeof(ulong), sizeof(ulong)).ContainsAnyExcept((byte)0)) return false;
        return true;
    }

    static int Count(ReadOnlySpan<ulong> used)
    {
        var bytes = 0;
        foreach (var word in used) bytes += BitOperations.PopCount(word);
        return bytes;
    }
}
