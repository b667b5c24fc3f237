using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Protocol;

/// <summary>What a postcopy cost the guest, as the destination tells it: whatever comes in its place does no harm.</summary>
public sealed class PostcopyFiguresMessageTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(20, 2)]
    [InlineData(32, 64)]
    public void They_come_back_as_they_were_within_the_limit_of_QEMU(int latencies, int processors)
    {
        var figures = Figures(latencies, processors);
        var message = PostcopyFiguresMessage.Of(figures);
        Assert.InRange(message.Payload.Length, 1, StreamConstants.MaxReturnPathLength);
        var bytes = new BytesWriter();
        message.Send(new WireWriter(bytes));
        Assert.Equal([0x50, 0x06], bytes.Written[..2]);
        var read = PostcopyFiguresMessage.Read(ReturnPathMessage.Read(new WireReader(new BytesReader(bytes.Written), MigrationSide.Destination)));
        AssertSame(figures, read);
    }

    [Fact]
    public void What_does_not_fit_is_the_largest_that_does()
    {
        var figures = Figures(40, 70) with { BlockedTimes = [.. Enumerable.Repeat(TimeSpan.MaxValue, 70)], Latencies = [.. Enumerable.Repeat(long.MaxValue / 64, 40)] };
        var read = PostcopyFiguresMessage.Read(PostcopyFiguresMessage.Of(figures));
        Assert.Equal([.. Enumerable.Repeat((long)uint.MaxValue, 32)], read.Latencies);
        Assert.Equal([.. Enumerable.Repeat(new TimeSpan((1L << 40) - 1), 64)], read.BlockedTimes);
        Assert.Equal(9, PostcopyFiguresMessage.Read(PostcopyFiguresMessage.Of(Figures(0, 0) with { Latencies = [.. new long[31], 4, 5] })).Latencies[31]);
    }

    [Fact]
    public void Whatever_else_it_holds_is_a_typed_error()
    {
        var good = PostcopyFiguresMessage.Of(Figures(5, 3)).Payload;
        for (var length = 0; length < good.Length; length++) Refused(MigrationErrorId.InvalidLength, good[..length]);
        Refused(MigrationErrorId.InvalidLength, [.. good, 0]);
        for (var at = 0; at < 56; at += 8) Refused(MigrationErrorId.InvalidValue, With(good, at, 0x80));
        Refused(MigrationErrorId.InvalidValue, With(good, 56, 33));
        Refused(MigrationErrorId.InvalidValue, With(good, 56 + 1 + 20, 65));
        Refused(MigrationErrorId.InvalidLength, With(good, 56, 4));
        Refused(MigrationErrorId.InvalidLength, With(good, 56 + 1 + 20, 2));
    }

    [Fact]
    public void Random_bytes_are_read_or_refused()
    {
        var random = new Random(7);
        for (var round = 0; round < 20_000; round++)
        {
            var payload = new byte[random.Next(PostcopyFiguresMessage.LeastLength, PostcopyFiguresMessage.MostLength + 1)];
            random.NextBytes(payload);
            for (var at = 0; at < 56; at += 8) payload[at] &= 0x7F;
            payload[56] %= 34;
            try
            {
                var read = PostcopyFiguresMessage.Read(new ReturnPathMessage(ReturnPathType.PostcopyFigures, payload));
                Assert.InRange(read.BlockedTimes.Count, 0, 64);
            }
            catch (MigrationException e) when (e.Id is MigrationErrorId.InvalidLength or MigrationErrorId.InvalidValue)
            {
            }
        }
    }

    static PostcopyFigures Figures(int latencies, int processors) => new()
    {
        Faults = 1234,
        RequestedPages = 1000,
        Pages = 1L << 40,
        MedianLatency = TimeSpan.FromMicroseconds(250.3),
        Latency99 = TimeSpan.FromMilliseconds(3),
        WorstLatency = TimeSpan.FromHours(2),
        BlockedTime = TimeSpan.FromSeconds(1),
        Latencies = [.. Enumerable.Range(1, latencies).Select(n => n * 100L)],
        BlockedTimes = [.. Enumerable.Range(1, processors).Select(n => TimeSpan.FromMinutes(n * 20))],
    };

    static void AssertSame(PostcopyFigures expected, PostcopyFigures actual)
    {
        Assert.Equal(expected.Latencies, actual.Latencies);
        Assert.Equal(expected.BlockedTimes, actual.BlockedTimes);
        Assert.Equal(expected with { Latencies = [], BlockedTimes = [] }, actual with { Latencies = [], BlockedTimes = [] });
    }

    static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    static void Refused(MigrationErrorId expected, byte[] payload) => Assert.Equal(expected,
        Assert.Throws<MigrationException>(() => PostcopyFiguresMessage.Read(new ReturnPathMessage(ReturnPathType.PostcopyFigures, payload))).Id);
}
