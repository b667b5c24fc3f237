using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Replays;

/// <summary>How a guest of the twin writes.</summary>
enum TwinGuest
{
    Idle,
    Random,
    Walking,
    HotSpot,

    /// <summary>As Random, in every other half second.</summary>
    Bursts,

    /// <summary>As Random, in a quarter of its memory.</summary>
    Quarter,
}

/// <summary>
/// A guest page by page, and a sender that goes over its pages with the windows, the looks at the log and the rule of the sending thread, in
/// virtual time, recording what a migration records. Slow and plain; throttles come when the test says.
/// </summary>
sealed class RecordingTwin(TwinGuest guest, int pages, double writesPerSecond, int seed, double cap, double downtime, double bandwidth = 1L << 30)
{
    const double PageSize = 4096;
    const int Stretch = 1024;
    const int Regions = 64;
    readonly bool[] _dirty = new bool[pages];
    readonly bool[] _log = new bool[pages];
    readonly bool[] _taken = new bool[pages];
    readonly Random _random = new(seed);
    readonly List<TracePass> _passes = [];
    readonly int[] _found = new int[Regions];
    readonly int[] _looked = new int[Regions];
    readonly List<double>[] _lookedAt = [.. Enumerable.Range(0, Regions).Select(_ => new List<double>())];
    double _now;
    double _own;
    double _held;
    double _due;
    double _bytes;
    double _busy;
    long _written;
    int _cursor;
    int _known;
    int _sent;
    PassBegin _begin;

    /// <summary>How much it is slowed at a time, 0 to 1.</summary>
    public Func<double, double> Throttle { get; init; } = _ => 0;

    /// <summary>When the sender goes on elsewhere, and at which page; null has it go by address.</summary>
    public (double Time, int Page)? Move { get; set; }

    /// <summary>Goes through it; the trace of one that had not ended after so long says Cancelled.</summary>
    public MigrationTrace Run(double longest = 120)
    {
        Array.Fill(_dirty, true);
        _known = pages;
        double windowStart = 0, windowBytes = 0, carried = 0;
        var (at, lookedAt) = (0, 0);
        while (_now < longest)
        {
            if (_known * PageSize <= carried * downtime)
            {
                Collect(carried);
                if (_known * PageSize <= carried * downtime) return Trace(MigrationStatus.Completed);
            }
            var until = _now + 0.05;
            while (_known > 0 && _now < until && (cap == 0 || windowBytes < cap / 10))
            {
                if (Move is { } move && _now >= move.Time) (at, lookedAt, Move) = (move.Page, 0, null);
                if (_dirty[at] && at >= lookedAt) lookedAt = Look(at);
                if (_dirty[at])
                {
                    _dirty[at] = false;
                    _known--;
                    _sent++;
                    windowBytes += PageSize;
                    _bytes += PageSize;
                    _busy += PageSize / bandwidth;
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
        return Trace(MigrationStatus.Cancelled);
    }

    void Advance(double seconds)
    {
        // In steps, for a throttle and bursts come and go meanwhile.
        for (var left = seconds; left > 0;)
        {
            var step = Math.Min(left, 0.01);
            (left, _now) = (left - step, _now + step);
            var own = step * (1 - Throttle(_now));
            (_own, _held) = (_own + own, _held + step - own);
            if (guest == TwinGuest.Idle || (guest == TwinGuest.Bursts && (int)(_own * 2) % 2 == 1)) continue;
            for (_due += own * writesPerSecond; _due >= 1; _due--, _written++) _log[Next()] = true;
        }
    }

    int Next() => guest switch
    {
        TwinGuest.Walking => _cursor++ % pages,
        TwinGuest.Quarter => _random.Next(pages / 4),
        TwinGuest.HotSpot => Hot(),
        _ => _random.Next(pages),
    };

    // Each octave of ranks as likely as the next, scattered over the pages.
    int Hot()
    {
        var first = 1 << _random.Next((int)Math.Log2(pages) + 1);
        var rank = first - 1 + _random.Next(Math.Min(first, pages - first + 1));
        return (int)((long)rank * 40503 % pages);
    }

    int Look(int from)
    {
        var end = Math.Min(pages, (from / 64 * 64) + Stretch);
        for (var page = from / 64 * 64; page < end; page++)
        {
            if (page % 64 == 0) _lookedAt[Region(page)].Add(_now - _begin.Now);
            if (_log[page]) _looked[Region(page)]++;
            _taken[page] |= _log[page];
            Take(page);
        }
        return end;
    }

    void Collect(double carried)
    {
        var dirtied = 0;
        for (var page = 0; page < pages; page++)
        {
            if (_log[page]) _found[Region(page)]++;
            if (_log[page] || _taken[page]) dirtied++;
            _taken[page] = false;
            Take(page);
        }
        _passes.Add(new TracePass
        {
            Number = _passes.Count + 1, Start = TimeSpan.FromSeconds(_begin.Now), Duration = TimeSpan.FromSeconds(_now - _begin.Now),
            Busy = TimeSpan.FromSeconds(_busy - _begin.Busy), NormalPages = _sent - _begin.Sent, Bytes = (long)(_bytes - _begin.Bytes),
            RemainingBytes = (long)(_known * PageSize), DirtyPages = dirtied, Bandwidth = carried, MaxBandwidth = (long)cap,
            Written = [(long)((_written - _begin.Written) * PageSize)], Held = [TimeSpan.FromSeconds(_held - _begin.Held)],
            ThrottlePercent = (int)(100 * Throttle(_now)), DowntimeLimit = TimeSpan.FromSeconds(downtime),
            Found = [.. _found], Looked = [.. _looked], LookedAt = [.. _lookedAt.Select(times => times.Count == 0 ? -1 : times.Average())],
        });
        Array.Clear(_found);
        Array.Clear(_looked);
        foreach (var times in _lookedAt) times.Clear();
        _begin = new PassBegin(_now, _busy, _bytes, _sent, _held, _written);
    }

    int Region(int page) => page / (pages / Regions);

    void Take(int page)
    {
        if (_log[page] && !_dirty[page]) _known++;
        _dirty[page] |= _log[page];
        _log[page] = false;
    }

    MigrationTrace Trace(MigrationStatus state) => new()
    {
        Name = "twin", TotalBytes = (long)(pages * PageSize), Processors = 1, RegionPages = pages / Regions,
        UsedPages = [.. Enumerable.Repeat((long)pages / Regions, Regions)], Owners = new int[Regions],
        Parameters = new MigrationParameters
        {
            RecordTrace = true, Policy = MigrationPolicy.Find("Qemu"), MaxBandwidth = (long)cap, MaxDowntime = TimeSpan.FromSeconds(downtime), Means = MigrationMeans.Qemu,
        },
        Passes = [.. _passes],
        Outcome = new TraceOutcome
        {
            State = state, TotalTime = TimeSpan.FromSeconds(_now + (_known * PageSize / bandwidth)), Downtime = TimeSpan.FromSeconds(_known * PageSize / bandwidth),
            TransferredBytes = (long)(_bytes + (_known * PageSize)), FinalPages = _known, ThrottledTime = [TimeSpan.FromSeconds(_held)],
        },
    };

    readonly record struct PassBegin(double Now, double Busy, double Bytes, int Sent, double Held, long Written);
}
