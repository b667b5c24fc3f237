using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>What a guest's memory holds, and the digest of it.</summary>
public sealed class ContentTests
{
    const int Size = 600 << 10;

    [Fact]
    public void The_same_seed_fills_alike_and_another_one_does_not()
    {
        foreach (var content in new[] { GuestContent.Random, GuestContent.Text, GuestContent.Mixed })
        {
            Assert.Equal(Filled(content, 1), Filled(content, 1));
            Assert.NotEqual(Filled(content, 1), Filled(content, 2));
        }
    }

    [Fact]
    public void Random_content_is_the_same_with_vectors_and_without()
    {
        var random = new Random(10);
        for (var round = 0; round < 300; round++)
        {
            var state = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            var (fast, plain) = (new ulong[random.Next(600)], new ulong[600]);
            ContentFill.Random(System.Runtime.InteropServices.MemoryMarshal.AsBytes(fast.AsSpan()), state);
            ContentFill.RandomPlain(plain.AsSpan(0, fast.Length), state);
            Assert.Equal(plain[..fast.Length], fast);
            // Also where the processor has no such vectors.
            var done = ContentFill.RandomVectors(fast, state);
            Assert.Equal(fast.Length / 8 * 8, done);
            Assert.Equal(plain[..fast.Length], fast);
        }
    }

    [Fact]
    public void Mixed_content_has_zero_random_and_text_pages()
    {
        var memory = new GuestMemory(Size);
        ContentFill.Fill(memory.Ram, Size, GuestContent.Mixed, 1);
        var kinds = Enumerable.Range(0, Size / GuestMemory.PageSize).Select(page => Kind(memory.Ram.Page(page))).ToHashSet();
        memory.Release();
        Assert.Equal(["random", "text", "zero"], kinds.Order());
    }

    [Fact]
    public void Content_ends_where_its_size_ends()
    {
        var memory = new GuestMemory(Size);
        ContentFill.Fill(memory.Ram, 5 * GuestMemory.PageSize, GuestContent.Random, 1);
        for (var page = 0; page < memory.Ram.Pages; page++)
            Assert.Equal(page < 5 ? "random" : "zero", Kind(memory.Ram.Page(page)));
        memory.Release();
    }

    [Fact]
    public void The_digest_is_of_content_alone_and_not_of_what_was_touched()
    {
        var (plain, touched) = (new GuestMemory(Size), new GuestMemory(Size));
        unsafe
        {
            touched.Ram.PageForWrite(100)[7] = 1;
            touched.Ram.PageForWrite(100)[7] = 0;
        }
        Assert.Equal(RamDigest.Compute(plain), RamDigest.Compute(touched));
        plain.Release();
        touched.Release();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(63, 4095)]
    [InlineData(64, 0)]
    [InlineData(149, 4095)]
    public void One_bit_anywhere_changes_the_digest(int page, int at)
    {
        var memory = new GuestMemory(Size);
        ContentFill.Fill(memory.Ram, Size, GuestContent.Random, 1);
        var before = RamDigest.Compute(memory);
        unsafe
        {
            memory.Ram.PageForWrite(page)[at] ^= 1;
            Assert.NotEqual(before, RamDigest.Compute(memory));
            memory.Ram.PageForWrite(page)[at] ^= 1;
        }
        Assert.Equal(before, RamDigest.Compute(memory));
        memory.Release();
    }

    [Fact]
    public void The_same_chunks_in_another_order_have_another_digest()
    {
        var (first, second) = (new GuestMemory(Size), new GuestMemory(Size));
        unsafe
        {
            first.Ram.PageForWrite(0)[0] = 1;
            second.Ram.PageForWrite(64)[0] = 1;
        }
        Assert.NotEqual(RamDigest.Compute(first), RamDigest.Compute(second));
        first.Release();
        second.Release();
    }

    [Fact]
    public void The_digest_of_a_guest_larger_than_one_window_of_it_sees_each_touched_chunk()
    {
        // 3 GiB, of which few chunks are there.
        var (first, second) = (new GuestMemory(3L << 30), new GuestMemory(3L << 30));
        foreach (var page in new[] { 5, (1L << 18) - 1, 1L << 18, (3L << 18) - 1 })
        {
            unsafe
            {
                first.Ram.PageForWrite(page)[9] = 3;
                Assert.NotEqual(RamDigest.Compute(first), RamDigest.Compute(second));
                second.Ram.PageForWrite(page)[9] = 3;
            }
            Assert.Equal(RamDigest.Compute(first), RamDigest.Compute(second));
        }
        first.Release();
        second.Release();
    }

    [Fact]
    public void Chunks_that_were_never_written_are_counted_up_to_the_first_that_was()
    {
        var random = new Random(9);
        var memory = new GuestMemory(400L * RamBlock.PagesPerChunk * GuestMemory.PageSize);
        unsafe
        {
            for (var write = 0; write < 6; write++) memory.Ram.PageForWrite(random.NextInt64(memory.Ram.Pages));
        }
        for (var from = 0; from < 400; from++)
            for (var max = 0; max < 500; max += 50)
            {
                var expected = 0;
                while (expected < max && from + expected < 400 && !memory.Ram.IsTouched(from + expected)) expected++;
                Assert.Equal(expected, memory.Ram.UntouchedChunks(from, max));
            }
        memory.Release();
    }

    [Fact]
    public void Zero_memory_of_another_size_has_another_digest()
    {
        var (first, second) = (new GuestMemory(Size), new GuestMemory(Size + 4096));
        Assert.NotEqual(RamDigest.Compute(first), RamDigest.Compute(second));
        first.Release();
        second.Release();
    }

    static string Filled(GuestContent content, ulong seed)
    {
        var memory = new GuestMemory(Size);
        ContentFill.Fill(memory.Ram, Size, content, seed);
        var digest = RamDigest.Compute(memory);
        memory.Release();
        return digest;
    }

    static string Kind(ReadOnlySpan<byte> page)
    {
        if (!page.ContainsAnyExcept((byte)0)) return "zero";
        foreach (var one in page)
            if (one != ' ' && !char.IsAsciiLetterLower((char)one) && !char.IsAsciiDigit((char)one)) return "random";
        return "text";
    }
}
