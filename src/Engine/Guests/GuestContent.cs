using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PsMigrate.Engine.Guests;

/// <summary>What a guest's memory holds at first, and what its program writes.</summary>
public enum GuestContent
{
    /// <summary>Never written.</summary>
    Zero,

    /// <summary>Incompressible.</summary>
    Random,

    /// <summary>Like a log file: compresses to about a quarter.</summary>
    Text,

    /// <summary>A third of each, page by page.</summary>
    Mixed,
}

/// <summary>Fills pages with content that depends on seed and page alone.</summary>
static unsafe class ContentFill
{
    static ReadOnlySpan<byte> Words =>
        "request served from cache in node session opened by user closed after timeout retry queue worker started at bytes sent to peer "u8;

    /// <summary>Fills the first <paramref name="length"/> bytes of the block with up to two threads.</summary>
    public static void Fill(RamBlock block, long length, GuestContent content, ulong seed)
    {
        if (content == GuestContent.Zero) return;
        var chunks = (length / GuestMemory.PageSize + RamBlock.PagesPerChunk - 1) / RamBlock.PagesPerChunk;
        Parallel.For(0, chunks, new ParallelOptions { MaxDegreeOfParallelism = Math.Min(2, Environment.ProcessorCount) }, chunk =>
        {
            var first = chunk * RamBlock.PagesPerChunk;
            var last = Math.Min(first + RamBlock.PagesPerChunk, length / GuestMemory.PageSize);
            for (var page = first; page < last; page++) FillPage(block, page, content, seed);
        });
    }

    static void FillPage(RamBlock block, long page, GuestContent content, ulong seed)
    {
        var state = Generator.Mix(seed ^ ((ulong)page * Generator.Gamma));
        var kind = content == GuestContent.Mixed ? (GuestContent)(state % 3) : content;
        if (kind == GuestContent.Zero) return;
        var bytes = new Span<byte>(block.PageForWrite(page), GuestMemory.PageSize);
        if (kind == GuestContent.Random) Random(bytes, state);
        else Text(bytes, state);
        block.Wrote(page);
    }

    /// <summary>Incompressible bytes. The length must be a multiple of 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Random(Span<byte> bytes, ulong state)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        var done = Vector512.IsHardwareAccelerated ? RandomVectors(words, state) : 0;
        RandomPlain(words[done..], state + ((ulong)done * Generator.Gamma));
    }

    /// <summary>The same, number by number: what the vectors are tested against.</summary>
    public static void RandomPlain(Span<ulong> words, ulong state)
    {
        foreach (ref var word in words) word = Generator.Mix(state += Generator.Gamma);
    }

    /// <summary>Eight numbers at a time, as many as that gives. Returns how many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int RandomVectors(Span<ulong> words, ulong state)
    {
        var counters = Vector512.Create(state) + (Vector512.CreateSequence(1UL, 1UL) * Generator.Gamma);
        var at = 0;
        for (; at <= words.Length - Vector512<ulong>.Count; at += Vector512<ulong>.Count)
        {
            Generator.Mix(counters).StoreUnsafe(ref words[at]);
            counters += Vector512.Create((ulong)Vector512<ulong>.Count * Generator.Gamma);
        }
        return at;
    }

    /// <summary>Words of a log file with numbers between them. The length must be a multiple of 8.</summary>
    public static void Text(Span<byte> bytes, ulong state)
    {
        var words = Words;
        for (var at = 0; at < bytes.Length;)
        {
            var draw = Generator.Mix(state += Generator.Gamma);
            var from = (int)(draw % (ulong)(words.Length - 32));
            var run = Math.Min(8 + (int)((draw >> 32) & 15), bytes.Length - at);
            words.Slice(from, run).CopyTo(bytes[at..]);
            at += run;
            if (at < bytes.Length && (draw & 0x100) != 0) bytes[at++] = (byte)('0' + ((draw >> 40) % 10));
        }
    }
}
