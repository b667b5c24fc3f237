using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>
/// What PrecopySimulation computes in cells, page by page: a guest that writes to one page of its memory after the other or to any, and a
/// sender that walks over them, with the same windows and the same rule. The guest keeps to the first <c>set</c> pages, and one that walks begins
/// at <c>first</c>. One that <c>follows</c> who walks goes on elsewhere once a pass (PassStart). Slow and plain.
/// </summary>
sealed class PagewiseTwin(int pages, double writesPerSecond, bool isRandom, int seed, bool looksAgain, double bandwidth, double cap, double downtime, int first = 0, int set = 0, bool follows = false)
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
    double _due = follows ? 0.015 : double.PositiveInfinity;
    double _passStart;
    double _passSent;
    double _speed;

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
                BeginPass();
                if (_known * PageSize <= carried * downtime) return _now;
            }
            var until = _now + 0.05;
            while (_known > 0 && _now < until && (cap == 0 || windowBytes < cap / 10))
            {
                if (_now >= _due && Elsewhere(at) is { } place) (at, lookedAt) = (place, 0);
                if (looksAgain && _dirty[at] && at >= lookedAt) lookedAt = Look(at);
                if (_dirty[at])
                {
                    _dirty[at] = false;
                    _known--;
                    windowBytes += PageSize;
                    _passSent++;
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

    void BeginPass()
    {
        if (_passSent >= 64) _speed = _passSent / (_now - _passStart);
        (_passStart, _passSent, _due) = (_now, 0, follows ? _now : double.PositiveInfinity);
    }

    int? Elsewhere(int at)
    {
        _due = double.PositiveInfinity;
        double[] cells = [.. _dirty.Chunk(pages / 256).Select(cell => (double)cell.Count(one => one))];
        var speed = _passSent >= 64 || _speed == 0 ? _passSent / (_now - _passStart) : _speed;
        if (cap > 0) speed = Math.Min(speed, cap / PageSize);
        Walker[] walker = [new(_cursor % _set, writesPerSecond, 0, _set)];
        return (int?)PassStart.Choose(walker, cells, cells, pages / 256.0, speed, at, pages)?.Page;
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
