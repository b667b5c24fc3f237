using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Measuring;

namespace PsMigrate.Engine.Tests.Measuring;

/// <summary>Where pages are dirtied, and whether one comes after the other.</summary>
public sealed class DirtyWhereTests
{
    static readonly long[] Blocks = [10_000, 700];
    readonly DirtyWhere _where = new(Blocks);
    readonly ulong[][] _whole = [.. Blocks.Select(pages => new ulong[BitWords.Count(pages)])];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Shares_are_those_of_a_plain_count(int seed)
    {
        var random = new Random(seed);
        var (soon, late) = (new double[DirtyWhere.Cells], new HashSet<long>());
        for (var window = 0; window < 20; window++)
        {
            // Runs over words, cells and the end of a block, and single pages.
            var pages = Enumerable.Range(0, 30).SelectMany(_ => Run(random)).ToHashSet();
            Add(pages);
            foreach (var page in pages) soon[Cell(page)]++;
            late.UnionWith(pages);
        }
        var places = _where.Places(_whole)!;
        var sum = soon.Sum();
        Assert.Equal(soon.Select(count => count / sum), places.Soon);
        Assert.Equal(Enumerable.Range(0, DirtyWhere.Cells).Select(cell => late.Count(page => Cell(page) == cell) / (double)late.Count), places.Late);
        Assert.Null(places.Walk);
    }

    [Theory]
    [InlineData(0, 10_700, 200, 20, 0, 10_700)]
    [InlineData(10_500, 10_700, 200, 20, 0, 10_700)]
    [InlineData(1000, 3000, 300, 20, 1000, 2000)]
    [InlineData(2900, 3000, 300, 20, 1000, 2000)]
    public void A_walk_is_followed_round_and_round(long start, long end, int speed, int windows, long first, long length)
    {
        var begin = end == 10_700 ? 0 : 1000;
        var at = start;
        for (var window = 0; window < windows; window++)
        {
            // The page at which it stands is written on both sides of every other reading.
            List<long> pages = window % 2 == 0 || window == 0 ? [] : [at == begin ? end - 1 : at - 1];
            for (var step = 0; step < speed; step++)
            {
                pages.Add(at);
                at = at + 1 == end ? begin : at + 1;
            }
            Add(pages);
        }
        var walk = _where.Places(_whole)!.Walk!;
        Assert.Equal((at == begin ? end : at) * 4096, walk.Position);
        Assert.Equal((first * 4096, length * 4096), (walk.First, walk.Length));
    }

    [Fact]
    public void A_walk_with_a_few_strays_is_one_and_with_many_is_none()
    {
        var many = new DirtyWhere(Blocks);
        for (var window = 0; window < 20; window++)
        {
            var pages = Enumerable.Range(window * 100, 100).Select(page => (long)page).ToList();
            Add([.. pages, 9000]);
            var words = Empty();
            foreach (var page in pages.Concat(Enumerable.Range(0, 10).Select(stray => 5000L + (97 * stray)))) Mark(words, page);
            many.Add(words);
        }
        Assert.NotNull(_where.Places(_whole)!.Walk);
        Assert.Null(many.Places(_whole)!.Walk);
    }

    [Fact]
    public void What_is_always_written_whole_is_no_walk()
    {
        for (var window = 0; window < 20; window++) Add(Enumerable.Range(50, 100).Select(page => (long)page));
        Assert.Null(_where.Places(_whole)!.Walk);
    }

    [Fact]
    public void Nothing_dirtied_is_nowhere()
    {
        Add([]);
        Assert.Null(_where.Places(_whole));
    }

    static IEnumerable<long> Run(Random random)
    {
        var first = random.Next(10_700);
        return Enumerable.Range(first, Math.Min(10_700 - first, random.Next(4) == 0 ? random.Next(1, 300) : 1)).Select(page => (long)page);
    }

    static int Cell(long page) => (int)(page * DirtyWhere.Cells / 10_700);

    void Add(IEnumerable<long> pages)
    {
        var words = Empty();
        foreach (var page in pages)
        {
            Mark(words, page);
            Mark(_whole, page);
        }
        _where.Add(words);
    }

    static ulong[][] Empty() => [.. Blocks.Select(pages => new ulong[BitWords.Count(pages)])];

    static void Mark(ulong[][] words, long page)
    {
        var (block, at) = page < Blocks[0] ? (0, page) : (1, page - Blocks[0]);
        words[block][at / 64] |= 1UL << (int)(at % 64);
    }
}
