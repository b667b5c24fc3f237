namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>
/// What PrecopySimulation computes in cells, page by page: a guest that writes to one page of its memory after the other or to any, and a
/// sender that walks over them, with the same windows and the same rule. The guest keeps to the first <c>set</c> pages, and one that walks begins
/// at <c>first</c>. Slow and plain.
/// </summary>
sealed class PagewiseTwin(int pages, double writesPerSecond, bool isRandom, int seed, bool looksAgain, double bandwidth, double cap, double downtime, int first = 0, int set = 0)
{
    const double PageSize = 4096;
    const int Stretch = 1024;
    readonly bool[] _dirty = new bool[pages];
    readonly bool[] _log = new bool[pages];
    readonly Random _random = new(seed);
    double _now;
    double _written;
    readonly int _set = set == 0 ? pages : set;
    int _cursor = first;
    int _known;

    public List<int> Remaining { get; } = [];

    public double Bytes { get; private set; }

    /// <summary>When it stopped the guest; null when it had not after so many passes.</summary>
    public double? Run(int mostPasses)
    {
        Array.Fill(_dirty, true);
        _known = pages;
        double windowStart = 0, windowBytes = 0, carried = 0;
        var (at, lookedAt) = (0, 0);
        while (Remaining.Count < mostPasses)
        {
            if (_known * PageSize <= carried * downtime)
            {
                Collect();
                Remaining.Add(_known);
                if (_known * PageSize <= carried * downtime) return _now;
            }
            var until = _now + 0.05;
            while (_known > 0 && _now < until && (cap == 0 || windowBytes < cap / 10))
            {
                if (looksAgain && _dirty[at] && at >= lookedAt) lookedAt = Look(at);
                if (_dirty[at])
                {
                    _dirty[at] = false;
                    _known--;
                    windowBytes += PageSize;
                    Bytes += PageSize;
                    Advance(PageSize / bandwidth);
                }
                if (++at == pages) at = lookedAt = 0;
            }
            if (cap > 0 && windowBytes >= cap / 10) Advance(Math.Max(0, windowStart + 0.1 - _now));
            if (_known == 0 && _now < windowStart + 0.1) Advance(1e-5);
            if (_now < windowStart + 0.1 - 1e-9 && !(carried == 0 && _known == 0)) continue;
            if (windowBytes > 0) carried = windowBytes / (_now - windowStart);
            (windowStart, windowBytes) = (_now, 0);
        }
        return null;
    }

    void Advance(double seconds)
    {
        _now += seconds;
        for (; _written < _now * writesPerSecond; _written++)
            _log[isRandom ? _random.Next(_set) : _cursor++ % _set] = true;
    }

    int Look(int from)
    {
        var end = Math.Min(pages, (from / 64 * 64) + Stretch);
        for (var page = from / 64 * 64; page < end; page++) Take(page);
        return end;
    }

    void Collect()
    {
        for (var page = 0; page < pages; page++) Take(page);
    }

    void Take(int page)
    {
        if (_log[page] && !_dirty[page]) _known++;
        _dirty[page] |= _log[page];
        _log[page] = false;
    }
}
