using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Where a pass goes on, against the same page by page.</summary>
public sealed class PassStartTests
{
    const int Pages = 256 * 64;

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.5)]
    [InlineData(0.8)]
    [InlineData(0.95)]
    public void A_guest_that_walks_is_met_at_the_end(double rate)
    {
        // The sender comes before it all the way.
        var walker = new Walker(1000, rate * 10_000, 0, Pages);
        var place = Choose([walker], Whole(), 10_000, at: 2000);
        Assert.NotNull(place);
        Assert.InRange(place.Value.Otherwise, rate * Pages * 0.6, Pages);
        Assert.InRange(place.Value.Again, 0, 0.01 * Pages);
        Assert.InRange(place.Value.Page - walker.After(rate * Pages), -1, 4096);
    }

    [Fact]
    public void Who_is_met_late_anyway_is_left_there() =>
        Assert.Null(Choose([new Walker(0, 1000, 0, Pages)], Whole(), 10_000, at: 1700));

    [Fact]
    public void Nobody_walks_and_the_pass_goes_on() => Assert.Null(Choose([], Whole(), 10_000, at: 0));

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void A_link_that_carries_nothing_changes_nothing(double speed) => Assert.Null(Choose([new Walker(0, 1000, 0, Pages)], Whole(), speed, at: 0));

    [Fact]
    public void Where_nothing_is_to_go_nothing_is_chosen() => Assert.Null(Choose([new Walker(0, 1000, 0, Pages)], new bool[Pages], 10_000, at: 0));

    [Fact]
    public void A_walk_of_no_length_stands_still() => Assert.Null(Choose([new Walker(5, 1000, 5, 0)], Whole(), 10_000, at: 0));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void It_is_right_of_what_goes_again_and_chooses_about_the_best(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 6; round++)
        {
            var speed = 10_000.0;
            var length = random.Next(Pages / 4, Pages);
            var first = random.Next(0, Pages - length);
            var walker = new Walker(first + random.Next(length), random.Next(500, 12_000), first, length);
            // A part of the memory has gone already, or was never written.
            bool[] open = Whole();
            var gone = random.Next(0, Pages / 2);
            Array.Clear(open, random.Next(0, Pages - gone), gone);
            var at = random.Next(Pages / 64) * 64;
            var (plain, best) = (Plain(walker, open, speed, at), Enumerable.Range(0, 128).Min(place => Plain(walker, open, speed, place * Pages / 128)));
            var place = Choose([walker], open, speed, at);
            if (place is not { } chosen)
            {
                Assert.True(best > (plain * 0.88) - 500, $"{plain} pages from {at}, and {best} were to be had: {walker}");
                continue;
            }
            Assert.InRange(chosen.Otherwise - plain, -0.015 * Pages, 0.015 * Pages);
            Assert.InRange(chosen.Again - Plain(walker, open, speed, chosen.Page), -0.015 * Pages, 0.015 * Pages);
            Assert.True(chosen.Again < chosen.Otherwise);
            Assert.InRange(chosen.Page, 0, Pages - 1);
        }
    }

    [Fact]
    public void Of_several_that_walk_all_count()
    {
        Walker[] walkers = [new(1000, 2000, 0, Pages / 2), new((Pages / 2) + 1000, 2000, Pages / 2, Pages / 2)];
        var place = Choose(walkers, Whole(), 10_000, at: 1000);
        Assert.NotNull(place);
        Assert.True(place.Value.Again < place.Value.Otherwise);
        var plain = walkers.Sum(walker => Plain(walker, Whole(), 10_000, place.Value.Page));
        Assert.InRange(place.Value.Again - plain, -0.02 * Pages, 0.02 * Pages);
    }

    [Fact]
    public void What_takes_no_time_is_passed_at_once()
    {
        // Three quarters were never written: the guest, which fills them, is met when the rest has gone.
        double[] open = [.. Enumerable.Repeat(64.0, 256)], costly = [.. Enumerable.Range(0, 256).Select(cell => cell < 64 ? 64.0 : 0)];
        var place = PassStart.Choose([new Walker(500, 2000, 0, Pages)], open, costly, 64, 10_000, 600, Pages);
        Assert.NotNull(place);
        Assert.InRange(place.Value.Page, 500 + 800, 500 + 1500);
    }

    static bool[] Whole() => [.. Enumerable.Repeat(true, Pages)];

    static PassPlace? Choose(Walker[] walkers, bool[] open, double speed, double at)
    {
        double[] cells = [.. open.Chunk(64).Select(cell => (double)cell.Count(one => one))];
        return PassStart.Choose(walkers, cells, cells, 64, speed, at, Pages);
    }

    /// <summary>Pages that are dirty after the pass and were not to go in it, or went before they were written for the last time.</summary>
    static int Plain(Walker walker, bool[] open, double speed, long start)
    {
        var went = new double[Pages];
        var sent = 0;
        for (var i = 0; i < Pages; i++)
        {
            var page = (int)((start + i) % Pages);
            went[page] = open[page] ? sent++ / speed : -1;
        }
        var seconds = sent / speed;
        var again = new HashSet<int>();
        for (var step = 0; step < walker.Rate * seconds; step++)
        {
            var page = (int)(walker.First + ((walker.Head - walker.First + step) % walker.Length));
            if (went[page] < step / walker.Rate) again.Add(page);
        }
        return again.Count;
    }
}
