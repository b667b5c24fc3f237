using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>When differences of pages pay, by figures of a pass.</summary>
public sealed class MeansRuleTests
{
    const long MiB = 1 << 20;

    // A second pass of dense pages over a link that is held at 200 MB/s.
    static readonly MeansInput Capped = new(
        Pass: 2, IsOver: true, Pages: new(Whole: 40_000, Small: 0, Looked: 0, Found: 0, FoundBytes: 0, Spent: TimeSpan.Zero),
        Bandwidth: 199 * MiB, BestBandwidth: 200 * MiB, MaxBandwidth: 200 * MiB, DirtyRate: 20 * MiB, Dirty: 100 * MiB, Left: 0,
        Threshold: 60 * MiB, Memory: 2048 * MiB, CacheSize: 0, IsAsked: false, IsUsing: false, Passes: 2, Failures: 0);

    // As fast as the link can.
    static readonly MeansInput Free = Capped with { MaxBandwidth = 0, Bandwidth = 1000 * MiB, BestBandwidth = 2000 * MiB, DirtyRate = 400 * MiB };

    // In use for two passes: of 10,000 pages half are found, and sent in a tenth of their bytes.
    static readonly MeansInput Using = Capped with
    {
        IsUsing = true, Pages = new(5000, 5000, 10_000, 5000, 5000 * 410, TimeSpan.FromMilliseconds(20)),
    };

    [Fact]
    public void They_begin_where_a_limit_binds_and_dense_pages_go_again()
    {
        var choice = MeansRule.Choose(Capped)!.Value;
        Assert.True(choice.UseDifferences);
        Assert.Equal(256 * MiB, choice.CacheSize);
        Assert.Contains("limit of 200 MB/s binds", choice.Reason, StringComparison.Ordinal);
        Assert.Contains("256 MB", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void They_begin_where_the_guest_dirties_much_of_what_the_link_carries()
    {
        Assert.Contains("40 %", MeansRule.Choose(Free)!.Value.Reason, StringComparison.Ordinal);
        Assert.Null(MeansRule.Choose(Free with { DirtyRate = 299 * MiB }));
        Assert.NotNull(MeansRule.Choose(Free with { DirtyRate = 301 * MiB }));
        Assert.Null(MeansRule.Choose(Free with { Bandwidth = 0 }));
    }

    [Fact]
    public void They_do_not_begin_for_what_fits_the_downtime() => Assert.Null(MeansRule.Choose(Capped with { Dirty = Capped.Threshold }));

    [Theory]
    [InlineData(255, 0)]
    [InlineData(10_000, 30_001)]
    public void They_do_not_begin_for_few_dense_pages(long whole, long small) =>
        Assert.Null(MeansRule.Choose(Capped with { Pages = Capped.Pages with { Whole = whole, Small = small } }));

    [Fact]
    public void In_the_first_pass_the_cache_is_filled_when_all_that_is_left_fits()
    {
        var first = Capped with { Pass = 1, IsOver = false, Passes = 0, Left = 256 * MiB };
        Assert.Equal(256 * MiB, MeansRule.Choose(first)!.Value.CacheSize);
        Assert.Null(MeansRule.Choose(first with { Left = 257 * MiB }));
        Assert.Null(MeansRule.Choose(first with { Dirty = 0 }));
        // Those that were asked for begin with the second pass by themselves.
        Assert.Null(MeansRule.Choose(Capped with { Pass = 1, Passes = 1, IsAsked = true }));
    }

    [Fact]
    public void Those_that_were_asked_for_begin_in_the_first_pass_under_a_limit_where_the_cache_holds_all_pages_with_content()
    {
        var sent = new PassPages(Whole: 100, Small: 50, Looked: 0, Found: 0, FoundBytes: 0, Spent: TimeSpan.Zero);
        var first = Capped with { Pass = 1, IsOver = false, Passes = 0, IsAsked = true, CacheSize = 64 * MiB, Pages = sent, Left = (64 * MiB) - (150 * 4096) };
        // Also where little or nothing has to go again yet, and what went is not dense.
        Assert.Equal(64 * MiB, MeansRule.Choose(first with { Dirty = 0 })!.Value.CacheSize);
        Assert.Null(MeansRule.Choose(first with { Left = first.Left + 4096 }));
        Assert.Null(MeansRule.Choose(first with { MaxBandwidth = 0 }));
        Assert.Null(MeansRule.Choose(first with { MaxBandwidth = 2 * first.MaxBandwidth }));
        Assert.Null(MeansRule.Choose(first with { IsUsing = true, Dirty = 0 }));
    }

    [Theory]
    [InlineData(2048, 0, 256)]
    [InlineData(256, 0, 256)]
    [InlineData(48, 0, 64)]
    [InlineData(16, 0, 16)]
    [InlineData(1 << 20, 0, 256)]
    [InlineData(2048, 512, 512)]
    [InlineData(2048, 8, 8)]
    public void The_cache_is_as_large_as_the_guest_within_a_bound_unless_a_size_is_asked_for(long memory, long asked, long expected) =>
        Assert.Equal(expected * MiB, MeansRule.CacheSize(Capped with { Memory = memory * MiB, CacheSize = asked * MiB }));

    [Fact]
    public void While_the_cache_is_filled_nothing_is_judged()
    {
        // In one pass a page is looked up once.
        Assert.Null(MeansRule.Choose(Using with { Passes = 1, Pages = new(10_000, 0, 10_000, 0, 0, TimeSpan.FromSeconds(1)) }));
        // 10,000 pages went, and all but these found an empty slot.
        Assert.Null(MeansRule.Choose(Using with { Pages = new(10_000, 0, 255, 0, 0, TimeSpan.FromSeconds(1)) }));
        Assert.False(MeansRule.Choose(Using with { Pages = new(10_000, 0, 256, 0, 0, TimeSpan.FromSeconds(1)) })!.Value.UseDifferences);
    }

    [Fact]
    public void Where_a_limit_binds_they_stay_for_what_they_save_whatever_they_take()
    {
        Assert.Null(MeansRule.Choose(Using with { Pages = Using.Pages with { Spent = TimeSpan.FromSeconds(100) } }));
        // 5 % of the bytes of all pages: 500 pages that cost nothing.
        Assert.Null(MeansRule.Choose(Using with { Pages = Using.Pages with { Found = 500, FoundBytes = 0 } }));
        var choice = MeansRule.Choose(Using with { Pages = Using.Pages with { Found = 499, FoundBytes = 0 } })!.Value;
        Assert.False(choice.UseDifferences);
        Assert.Contains("5 % were found", choice.Reason, StringComparison.Ordinal);
        // Found, and so different that they went whole.
        Assert.False(MeansRule.Choose(Using with { Pages = Using.Pages with { Found = 10_000, FoundBytes = 10_000 * 4096 } })!.Value.UseDifferences);
    }

    [Fact]
    public void Else_they_stay_while_they_take_less_time_than_they_save_on_the_link()
    {
        // 5000 pages less a tenth are 18 MB: 9 ms of the best that the link carried.
        var free = Using with { MaxBandwidth = 0, BestBandwidth = 2000 * MiB };
        Assert.Null(MeansRule.Choose(free with { Pages = free.Pages with { Spent = TimeSpan.FromMilliseconds(8) } }));
        var choice = MeansRule.Choose(free with { Pages = free.Pages with { Spent = TimeSpan.FromMilliseconds(10) } })!.Value;
        Assert.False(choice.UseDifferences);
        Assert.Contains("took 10 ms", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void They_are_not_given_up_for_a_handful_of_pages_or_right_before_the_end()
    {
        var nothing = Using with { Pages = new(255, 0, 255, 0, 0, TimeSpan.FromSeconds(1)) };
        Assert.Null(MeansRule.Choose(nothing));
        Assert.NotNull(MeansRule.Choose(nothing with { Pages = nothing.Pages with { Looked = 256 } }));
        Assert.Null(MeansRule.Choose(nothing with { Pages = nothing.Pages with { Looked = 256 }, Dirty = Using.Threshold }));
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 8)]
    [InlineData(4, 32)]
    [InlineData(5, 64)]
    [InlineData(500, 64)]
    public void Given_up_they_rest_longer_each_time(int failures, int passes)
    {
        foreach (var isAsked in new[] { false, true })
        {
            var resting = Capped with { Failures = failures, IsAsked = isAsked, Passes = passes - 1 };
            Assert.Null(MeansRule.Choose(resting));
            Assert.True(MeansRule.Choose(resting with { Passes = passes })!.Value.UseDifferences);
        }
    }

    [Fact]
    public void Those_that_were_asked_for_come_back_without_a_limit_that_binds()
    {
        var calm = Free with { DirtyRate = 0, Failures = 1, Passes = 4 };
        Assert.Null(MeansRule.Choose(calm));
        Assert.True(MeansRule.Choose(calm with { IsAsked = true })!.Value.UseDifferences);
    }
}
