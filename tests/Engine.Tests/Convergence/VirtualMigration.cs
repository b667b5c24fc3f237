using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What a guest of a <see cref="VirtualMigration"/> writes: so many pages per second, and which one comes next.</summary>
sealed record VirtualGuest(Func<double, double> WritesPerSecond, Func<double, Random, int> NextPage)
{
    public static VirtualGuest Idle => new(_ => 0, (_, _) => 0);

    /// <summary>Any page of the first ones, all alike.</summary>
    public static VirtualGuest Uniform(int pages, double rate) => new(_ => rate, (_, random) => random.Next(pages));

    /// <summary>A few pages often, the others seldom.</summary>
    public static VirtualGuest Zipf(int pages, double rate) => new(_ => rate, (_, random) => (int)(pages * Math.Pow(random.NextDouble(), 4)) * 509 % pages);

    /// <summary>One after the other.</summary>
    public static VirtualGuest Walking(int pages, double rate)
    {
        var at = 0;
        return new(_ => rate, (_, _) => at++ % pages);
    }

    /// <summary>Busy for a part of each period, and quiet else.</summary>
    public static VirtualGuest Bursty(int pages, double rate, double period, double share) =>
        new(now => now % period < period * share ? rate : rate / 20, (_, random) => random.Next(pages));

    /// <summary>Writes so much from a moment on.</summary>
    public VirtualGuest From(double moment, double rate) => this with { WritesPerSecond = now => now < moment ? WritesPerSecond(now) : rate };
}

/// <summary>How far a migration said to be at a moment.</summary>
readonly record struct Told(double Time, MigrationProgress Progress);

/// <summary>
/// A precopy in virtual time, page by page: a guest that writes, a sender that walks over what is dirty, and somebody who asks ten times a second
/// how far it is. One that looks at the log before pages go is ours, one that does not is a QEMU's.
/// </summary>
sealed class VirtualMigration(VirtualGuest guest, int pages, double bandwidth, double downtime, int seed, bool isOurs = true, MigrationPromise? promise = null)
{
    public const double PageSize = 4096;
    const double LookPeriod = 0.1;

    readonly bool[] _dirty = [.. Enumerable.Repeat(true, pages)];
    readonly bool[] _log = new bool[pages];
    readonly bool[] _sent = new bool[pages];
    readonly Random _random = new(seed);
    double _now;
    double _owed;
    double _looked;
    double _passStart;
    int _pass = 1;
    long _written;
    long _passWritten;
    int _known;

    public ProgressEstimate Estimate { get; } = new(promise);

    /// <summary>All that was said.</summary>
    public List<Told> Told { get; } = [];

    public int Passes => _pass;

    /// <summary>What limits it to its end, for those that set one.</summary>
    public TimeSpan? EndsBy { get; init; }

    /// <summary>After so many seconds, or when it has switched over: when that was; null when it had not.</summary>
    public double? Run(double atMost)
    {
        _known = _dirty.Length;
        var threshold = bandwidth * downtime;
        for (var at = 0; _now < atMost; at = (at + 1) % _dirty.Length)
        {
            if (_known * PageSize <= threshold && EndPass(threshold)) return _now += _known * PageSize / bandwidth;
            if (!_dirty[at]) continue;
            if (isOurs) _log[at] = false;
            (_dirty[at], _sent[at]) = (false, true);
            _known--;
            Advance(PageSize / bandwidth, threshold);
        }
        return null;
    }

    /// <summary>Whether it may switch over.</summary>
    bool EndPass(double threshold)
    {
        for (var page = 0; page < _dirty.Length; page++) Take(page);
        Estimate.EndPass(TimeSpan.FromSeconds(_now - _passStart), _known * PageSize);
        if (_known * PageSize <= threshold) return true;
        (_passStart, _passWritten, _pass) = (_now, _written, _pass + 1);
        return false;
    }

    void Advance(double seconds, double threshold)
    {
        _now += seconds;
        for (_owed += guest.WritesPerSecond(_now) * seconds; _owed >= 1; _owed--, _written++) _log[guest.NextPage(_now, _random)] = true;
        if (_now - _looked < LookPeriod) return;
        _looked = _now;
        Told.Add(new Told(_now, Estimate.Look(Input(threshold))));
    }

    ProgressInput Input(double threshold) => new()
    {
        Elapsed = TimeSpan.FromSeconds(_now), Status = MigrationStatus.Active, Pass = _pass, PassElapsed = TimeSpan.FromSeconds(_now - _passStart),
        Pending = _known * PageSize, Bandwidth = bandwidth, Threshold = threshold, EndsBy = EndsBy,
        WriteRate = isOurs && _now > _passStart ? (_written - _passWritten) * PageSize / (_now - _passStart) : null,
        Again = isOurs && _pass == 1 ? Enumerable.Range(0, _dirty.Length).Count(page => _log[page] && _sent[page] && !_dirty[page]) * PageSize : null,
    };

    void Take(int page)
    {
        if (_log[page] && !_dirty[page]) _known++;
        _dirty[page] |= _log[page];
        _log[page] = false;
    }
}
