using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Who walks, by looks at a log of which the test is the guest.</summary>
public sealed class WalkFinderTests
{
    const int Pages = 65_536;
    readonly bool[] _log = new bool[Pages];
    readonly WalkFinder _finder = new();
    double _now = 1;
    long _taken;

    public WalkFinderTests() => _finder.Begin(_now);

    [Theory]
    [InlineData(1_000)]
    [InlineData(10_000)]
    [InlineData(200_000)]
    public void One_that_walks_is_found_at_the_second_look(int rate)
    {
        var head = Walk(5000, rate, 0.01);
        Assert.False(Look());
        head = Walk(head, rate, 0.1);
        Assert.True(Look());
        Assert.Equal((head, (double)rate), (_finder.Found[0].Head, Math.Round(_finder.Found[0].Rate)));
    }

    [Fact]
    public void Several_are_found_each_with_its_rate()
    {
        long[] heads = [100, 20_000, 40_000];
        for (var look = 0; look < 2; look++)
        {
            _now += 0.05;
            for (var i = 0; i < heads.Length; i++) heads[i] = Write(heads[i], 500 * (i + 1));
            Assert.Equal(look == 1, Look());
        }
        Assert.Equal(heads, _finder.Found.ToArray().Select(walk => walk.Head));
        Assert.Equal([10_000, 20_000, 30_000], _finder.Found.ToArray().Select(walk => Math.Round(walk.Rate)));
    }

    [Fact]
    public void After_the_log_was_collected_one_look_is_enough()
    {
        var head = Walk(Walk(0, 10_000, 0.05), 0, 0);
        Look();
        head = Walk(head, 10_000, 0.05);
        Assert.True(Look());
        Array.Clear(_log);
        _finder.Begin(_now);
        Assert.False(_finder.Found.IsEmpty);
        // The page at which it stood was written on both sides.
        Write(head - 1, 1);
        head = Walk(head, 10_000, 0.05);
        Assert.True(Look());
        Assert.Equal((head, 10_000), (_finder.Found[0].Head, Math.Round(_finder.Found[0].Rate)));
    }

    [Fact]
    public void A_sender_that_takes_what_lies_behind_it_hides_nobody()
    {
        var head = Walk(1000, 20_000, 0.05);
        Look();
        head = Walk(head, 20_000, 0.05);
        Take(0, 1500);
        Assert.True(Look());
        Assert.Equal((head, 20_000), (_finder.Found[0].Head, Math.Round(_finder.Found[0].Rate)));
    }

    [Theory]
    [InlineData(65_536, 10_000)]
    [InlineData(65_536, 400_000)]
    [InlineData(4096, 10_000)]
    [InlineData(4096, 100_000)]
    [InlineData(512, 100_000)]
    public void Pages_that_are_written_anywhere_are_no_walk(int set, int rate)
    {
        for (var seed = 1; seed <= 20; seed++)
        {
            var random = new Random(seed);
            Array.Clear(_log);
            _finder.Lose(_now);
            _finder.Begin(_now);
            for (var look = 0; look < 12; look++)
            {
                _now += 0.01 * random.Next(1, 10);
                for (var write = 0; write < rate / 50; write++) _log[1000 + random.Next(set) % (Pages - 1000)] = true;
                Assert.False(Look(), $"seed {seed}, look {look}");
            }
        }
    }

    [Fact]
    public void Hot_pages_are_no_walk()
    {
        var random = new Random(7);
        for (var look = 0; look < 30; look++)
        {
            _now += 0.02;
            // Zipf: octaves of ranks alike, scattered.
            for (var write = 0; write < 800; write++) _log[(int)((1L << random.Next(16)) * random.Next(1, 1000) * 40_503 % Pages)] = true;
            Assert.False(Look());
        }
    }

    [Fact]
    public void A_buffer_that_is_written_again_and_again_is_no_walk()
    {
        for (var look = 0; look < 8; look++)
        {
            _now += 0.02;
            Write(3000, 2000);
            Assert.False(Look());
        }
    }

    [Fact]
    public void One_that_walks_beside_much_that_is_written_elsewhere_is_not_followed()
    {
        var random = new Random(3);
        long head = 0;
        for (var look = 0; look < 8; look++)
        {
            _now += 0.02;
            head = Write(head, 200);
            for (var write = 0; write < 20; write++) Write(30_000 + (random.Next(500) * 50), 8);
            Assert.False(Look());
        }
    }

    [Fact]
    public void Looks_that_follow_at_once_say_nothing()
    {
        var head = Walk(0, 10_000, 0.05);
        Look();
        _now += 0.001;
        Write(head, 100);
        Assert.False(Look());
    }

    [Fact]
    public void More_walks_than_can_be_followed_are_none()
    {
        for (var look = 0; look < 3; look++)
        {
            _now += 0.05;
            for (var walk = 0; walk < 12; walk++) Write((walk * 5000) + (look * 500), 500);
            Assert.False(Look());
        }
    }

    long Walk(long head, int rate, double seconds)
    {
        _now += seconds;
        return Write(head, (long)Math.Round(rate * seconds));
    }

    long Write(long first, long count)
    {
        for (var page = first; page < first + count; page++) _log[page] = true;
        return first + count;
    }

    void Take(int first, int end)
    {
        for (var page = first; page < end; page++)
        {
            if (_log[page]) _taken++;
            _log[page] = false;
        }
    }

    bool Look()
    {
        var runs = new List<WrittenRun>();
        for (var page = 0; page < Pages; page++)
            if (_log[page])
            {
                if (page > 0 && _log[page - 1]) runs[^1] = runs[^1] with { End = page + 1 };
                else runs.Add(new WrittenRun(page, page + 1));
            }
        var taken = _taken;
        _taken = 0;
        if (runs.Count <= WalkFinder.MostRuns) return _finder.Look(_now, [.. runs], taken);
        _finder.Lose(_now);
        return false;
    }
}
