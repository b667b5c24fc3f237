using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Distinct pages of so many writes, against pages that are written one by one.</summary>
public sealed class DirtyingModelTests
{
    const int PageSize = 4096;

    static AdaptivePass Pass(double seconds, long dirtied, params double[] rates) =>
        new(2, seconds, seconds, dirtied, 0, 1, dirtied, rates, new double[rates.Length], false);

    [Theory]
    [InlineData(1000, 500)]
    [InlineData(1000, 3000)]
    [InlineData(50_000, 20_000)]
    public void The_set_and_what_is_dirtied_of_it_are_found_of_writes_by_chance(int set, int writes)
    {
        var random = new Random(set + writes);
        var pages = new HashSet<int>();
        var half = 0;
        for (var i = 0; i < writes; i++)
        {
            pages.Add(random.Next(set));
            if (i == writes / 2) half = pages.Count;
        }
        var model = DirtyingModel.Of(Pass(2, (long)pages.Count * PageSize, writes * PageSize / 2.0));
        Assert.InRange(model.Set / PageSize, set * 0.9, set * 1.1);
        Assert.InRange(model.Distinct(writes * PageSize / 2.0) / PageSize, half * 0.95, half * 1.05);
    }

    [Fact]
    public void It_never_says_too_little_of_pages_of_which_some_are_written_more_often()
    {
        var random = new Random(5);
        var (pages, seen) = (new HashSet<int>(), new List<int>());
        for (var i = 0; i < 20_000; i++)
        {
            pages.Add(random.Next(1 << random.Next(1, 14)));
            seen.Add(pages.Count);
        }
        var model = DirtyingModel.Of(Pass(1, (long)pages.Count * PageSize, 20_000.0 * PageSize));
        for (var writes = 100; writes < 20_000; writes += 100) Assert.True(model.Distinct(writes * (double)PageSize) >= seen[writes - 1] * 0.95 * PageSize);
    }

    [Fact]
    public void Pages_that_are_written_in_turn_are_all_distinct()
    {
        var model = DirtyingModel.Of(Pass(1, 1000 * PageSize, 600 * PageSize, 400 * PageSize));
        Assert.Equal(500.0 * PageSize, model.Distinct(500 * PageSize));
        Assert.Equal(1000.0 * PageSize, model.Rate);
    }

    [Fact]
    public void Where_writes_are_not_known_what_was_dirtied_is()
    {
        var model = DirtyingModel.Of(Pass(2, 1000 * PageSize));
        Assert.Equal([500.0 * PageSize], model.Rates);
        Assert.True(double.IsInfinity(model.Set));
    }

    [Fact]
    public void How_much_may_be_written_is_the_inverse()
    {
        var random = new Random(8);
        for (var i = 0; i < 500; i++)
        {
            var model = new DirtyingModel([1], random.Next(1, 1 << 30));
            var written = random.NextDouble() * 5 * model.Set;
            Assert.Equal(written, model.Written(model.Distinct(written)), written * 1e-6);
        }
        Assert.True(double.IsInfinity(new DirtyingModel([1], 100).Written(100)));
    }
}
