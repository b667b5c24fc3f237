using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Whether compressing pays, by figures; sizes in MB, times in ms.</summary>
public sealed class CompressionRuleTests
{
    // Speeds in bytes/s of a link, of a compressor, of a copy.
    static readonly PacketCost PackedOverFastLink = Cost(pages: 100, sent: 25, packing: 200, sending: 10);
    static readonly PacketCost PlainOverFastLink = Cost(pages: 100, sent: 100, packing: 0, sending: 40);

    [Theory]
    // What does not compress: the other way need not be tried.
    [InlineData(100, 98, 200, 10, 0, "Change")]
    [InlineData(100, 100.2, 200, 1000, 0, "Change")]
    // The link takes longer than the compressor: it would take longer still for whole pages.
    [InlineData(100, 25, 200, 400, 0, "Stay")]
    [InlineData(100, 90, 200, 1000, 0, "Stay")]
    // The link is not what holds it up; it may not be fast enough for whole pages all the same.
    [InlineData(100, 25, 200, 10, 0, "Try")]
    [InlineData(100, 25, 200, 399, 0, "Try")]
    // A limit of 50 MB/s passes 500 MB/s of pages compressed, and 50 as they are.
    [InlineData(100, 10, 200, 10, 50, "Stay")]
    // One of 2000 MB/s holds nothing up.
    [InlineData(100, 25, 200, 10, 2000, "Try")]
    public void What_compressed_packets_alone_tell(double pages, double sent, double packing, double sending, double limit, string expected) =>
        Assert.Equal(expected, $"{CompressionRule.WhilePacked(Cost(pages, sent, packing, sending), null, (long)(limit * 1e6)).Advice}");

    [Fact]
    public void Compression_is_left_where_the_link_carries_whole_pages_faster()
    {
        var (advice, reason) = CompressionRule.WhilePacked(PackedOverFastLink, PlainOverFastLink, 0);
        Assert.Equal(CompressionAdvice.Change, advice);
        Assert.Equal("Compressed (to 25 %), pages leave at 476.2 MB/s; as they are, at 2,500 MB/s.", reason);
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePlain(PlainOverFastLink, PackedOverFastLink, 0).Advice);
    }

    [Fact]
    public void It_is_taken_up_where_it_is_faster()
    {
        var (packed, plain) = (Cost(100, 25, 200, 10), Cost(100, 100, 0, 500));
        Assert.Equal(CompressionAdvice.Change, CompressionRule.WhilePlain(plain, packed, 0).Advice);
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePacked(packed, plain, 0).Advice);
        Assert.Equal(CompressionAdvice.Try, CompressionRule.WhilePlain(plain, null, 0).Advice);
    }

    [Fact]
    public void A_limit_makes_whole_pages_slow_however_fast_the_link_takes_them()
    {
        Assert.Equal(CompressionAdvice.Change, CompressionRule.WhilePlain(PlainOverFastLink, PackedOverFastLink, 100_000_000).Advice);
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePacked(PackedOverFastLink, PlainOverFastLink, 100_000_000).Advice);
    }

    [Theory]
    [InlineData(199)]
    [InlineData(201)]
    public void A_small_difference_changes_nothing(double sending)
    {
        var (packed, plain) = (Cost(100, 25, 190, 10), Cost(100, 100, 0, sending));
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePacked(packed, plain, 0).Advice);
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePlain(plain, packed, 0).Advice);
    }

    [Fact]
    public void What_does_not_compress_is_not_taken_up_however_slow_the_link_was() =>
        Assert.Equal(CompressionAdvice.Stay, CompressionRule.WhilePlain(Cost(100, 100, 0, 5000), Cost(100, 99, 10, 10), 0).Advice);

    [Fact]
    public void Figures_of_nothing_are_no_error()
    {
        Assert.Equal(1, default(PacketCost).Share);
        Assert.Equal(0, default(PacketCost).Speed(0));
        Assert.Equal(0, default(PacketCost).Speed(100));
    }

    static PacketCost Cost(double pages, double sent, double packing, double sending) =>
        new((long)(pages * 1e6), (long)(sent * 1e6), TimeSpan.FromMilliseconds(packing), TimeSpan.FromMilliseconds(sending));
}
