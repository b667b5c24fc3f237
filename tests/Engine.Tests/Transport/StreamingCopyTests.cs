using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>The copy past the cache against the framework's.</summary>
public sealed unsafe class StreamingCopyTests
{
    [Fact]
    public void It_copies_what_a_plain_copy_does_and_nothing_beside_it()
    {
        var random = new Random(8);
        var from = new byte[3 * StreamingCopy.Least];
        random.NextBytes(from);
        for (var round = 0; round < 60; round++)
        {
            var (length, at, to) = (random.Next(2 * StreamingCopy.Least), random.Next(500), random.Next(500));
            if (round % 4 == 0) length = StreamingCopy.Least + random.Next(3);
            byte[] copied = new byte[from.Length], expected = new byte[from.Length];
            StreamingCopy.Copy(from.AsSpan(at, length), copied.AsSpan(to));
            from.AsSpan(at, length).CopyTo(expected.AsSpan(to));
            Assert.True(expected.AsSpan().SequenceEqual(copied), $"Round {round}: {length} bytes from {at} to {to}.");
        }
    }

    [Fact]
    public void In_steps_of_32_bytes_too()
    {
        var from = new byte[4096];
        new Random(9).NextBytes(from);
        var room = GC.AllocateArray<byte>(4096 + 64, pinned: true);
        fixed (byte* source = from, start = room)
        {
            var target = start + (-(nint)start & 63);
            StreamingCopy.Copy256(source, target, 4096 / 256);
            Assert.True(from.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(target, 4096)));
        }
    }

    [Fact]
    public void Too_little_room_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => StreamingCopy.Copy(new byte[StreamingCopy.Least], new byte[StreamingCopy.Least - 1]));
}
