using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What is dirtied in which part of the memory.</summary>
public sealed class DirtiedCellsTests
{
    const int Cells = 256;
    const double Mebibyte = 1 << 20;

    [Fact]
    public void Without_places_it_is_alike_everywhere()
    {
        var curve = Curves.Random(256, 256, 60);
        var cells = new DirtiedCells(curve, CurveBound.Mean, Cells);
        var all = new CurveShape(curve).Bytes(1.5);
        Assert.All(Enumerable.Range(0, Cells), cell => Assert.Equal(all / Cells, cells.Bytes(cell, 2, 3.5), 3));
        Assert.Equal(0, cells.Bytes(7, 3, 3));
    }

    [Fact]
    public void Where_only_the_zeros_are_known_it_is_written_elsewhere()
    {
        double[] zeros = [.. Enumerable.Range(0, 32).Select(place => place < 8 ? 0 : place < 16 ? 0.5 : 1)];
        var curve = Curves.Random(256, 90, 60) with { ZeroPlaces = zeros };
        var cells = new DirtiedCells(curve, CurveBound.Mean, Cells);
        var all = new CurveShape(curve).Bytes(0.5);
        Assert.Equal(all * 2 / 3 / 64, cells.Bytes(63, 2, 2.5), 1.0);
        Assert.Equal(all / 3 / 64, cells.Bytes(64, 2, 2.5), 1.0);
        Assert.Equal(0, cells.Bytes(128, 2, 2.5));
        // Of a memory of zeros nobody knows where.
        var empty = new DirtiedCells(curve with { ZeroPlaces = [1, 1] }, CurveBound.Mean, Cells);
        Assert.Equal(all / Cells, empty.Bytes(7, 2, 2.5), 1.0);
    }

    [Theory]
    [InlineData(0.025)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(20)]
    public void All_cells_together_have_what_the_curve_says(double seconds)
    {
        // Hot pages in a few cells, the others anywhere.
        var soon = Shares(cell => cell % 16 == 0 ? 5 : 1);
        var curve = Curves.Random(256, 200, 40) with { Places = new DirtyPlaces { Soon = soon, Late = Shares(_ => 1) } };
        var cells = new DirtiedCells(curve, CurveBound.Mean, Cells);
        var sum = Enumerable.Range(0, Cells).Sum(cell => cells.Bytes(cell, 0, seconds));
        Assert.InRange(sum / new CurveShape(curve).Bytes(seconds), 0.99, 1.01);
    }

    [Fact]
    public void Hot_cells_show_in_short_intervals()
    {
        var soon = Shares(cell => cell == 3 ? 100 : 1);
        var curve = Curves.Random(256, 256, 40) with { Places = new DirtyPlaces { Soon = soon, Late = Shares(_ => 1) } };
        var cells = new DirtiedCells(curve, CurveBound.Mean, Cells);
        Assert.InRange(cells.Bytes(3, 0, 0.025) / cells.Bytes(4, 0, 0.025), 99, 101);
        Assert.InRange(cells.Bytes(3, 0, 5) / cells.Bytes(4, 0, 5), 0.99, 1.01);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_walk_is_where_a_plain_one_is(int seed)
    {
        var random = new Random(seed);
        // In pages, of which a cell has 256.
        var (first, length, position, speed) = (random.Next(0, 20_000), random.Next(1000, 40_000), random.Next(0, 1000), random.Next(500, 5000));
        var walk = new DirtyWalk((first + position) * 4096L, first * 4096L, length * 4096L);
        var curve = Curves.Walking(256, length / 256.0, speed / 256.0) with { Places = new DirtyPlaces { Soon = Shares(_ => 1), Late = Shares(_ => 1), Walk = walk } };
        var cells = new DirtiedCells(curve, CurveBound.Mean, Cells);
        for (var round = 0; round < 50; round++)
        {
            var (from, to) = (random.Next(0, 30), random.Next(30, 50));
            var plain = new int[Cells];
            foreach (var page in Enumerable.Range(from * speed, Math.Min(length, (to - from) * speed)).Select(step => first + ((position + step) % length))) plain[page / 256]++;
            for (var cell = 0; cell < Cells; cell++) Assert.Equal(plain[cell] * 4096.0, cells.Bytes(cell, from, to), 1.0);
        }
    }

    static double[] Shares(Func<int, double> weight)
    {
        double[] weights = [.. Enumerable.Range(0, Cells).Select(weight)];
        var sum = weights.Sum();
        return [.. weights.Select(one => one / sum)];
    }
}
