using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>A pass goes on somewhere else, and why. Places are pages, all blocks one behind the other.</summary>
/// <param name="From">Where it stood.</param>
/// <param name="Place">Where it goes on.</param>
/// <param name="Head">Where the first of those stands who write one page after the other.</param>
/// <param name="Walkers">How many of them there are.</param>
/// <param name="Rate">Pages that they write a second.</param>
readonly record struct PassMove(long From, PassPlace Place, long Head, int Walkers, double Rate);

/// <summary>
/// What is needed to say where a pass goes on: who walks through the memory by the looks at the log, how fast pages go, and what is to go where.
/// Nothing is allocated once it is made. The sending thread's alone.
/// </summary>
/// <param name="memory">Whose.</param>
/// <param name="limit">Bytes/s that may be sent; 0 is no limit.</param>
/// <param name="moved">Told of each move.</param>
/// <param name="clock">A timestamp; null is that of <see cref="Stopwatch"/>.</param>
sealed class PassOrder(GuestMemory memory, Func<long> limit, Action<PassMove> moved, Func<long>? clock = null)
{
    // A pass that has sent less says nothing of how fast pages go.
    const long FewestSent = 64;

    // A look reads a bit for each page: a walk is seen in two, and what is not seen in so many is none.
    const int MostLooks = 8;
    static readonly long BeforeFirst = Stopwatch.Frequency / 200;
    static readonly long Between = Stopwatch.Frequency / 100;

    // A timestamp that is always over.
    const long AtOnce = 0;
    const long Never = long.MaxValue;

    readonly WalkFinder _finder = new();
    readonly WrittenRun[] _runs = new WrittenRun[WalkFinder.MostRuns];
    readonly Walker[] _walkers = new Walker[WalkFinder.MostRuns];
    readonly double[] _open = new double[PassStart.Cells];
    readonly double[] _costly = new double[PassStart.Cells];
    readonly int _cellWords = (int)(((memory.Length / GuestMemory.PageSize / 64) + PassStart.Cells) / PassStart.Cells);
    long _began;
    long _sentBefore;
    double _pagesPerSecond;
    int _looks;
    long _due = Never;

    /// <summary>Whether the log is to be looked at.</summary>
    public bool IsDue => _due != Never && Now >= _due;

    long Now => clock?.Invoke() ?? Stopwatch.GetTimestamp();

    /// <summary>The log is clean, and a pass begins.</summary>
    /// <param name="sent">Pages that took time and went so far.</param>
    public void Begin(long sent)
    {
        var now = Now;
        if (_began != 0 && sent - _sentBefore >= FewestSent) _pagesPerSecond = (sent - _sentBefore) / Seconds(_began, now);
        (_began, _sentBefore, _looks) = (now, sent, 0);
        _finder.Begin(Seconds(0, now));
        // Who walks is known from the look right before: where it is to begin can be said at once.
        _due = _finder.Found.IsEmpty ? now + BeforeFirst : AtOnce;
    }

    /// <summary>Looks at the log. Whether somebody is known to walk.</summary>
    /// <param name="taken">Pages that were taken out of it since the last look.</param>
    public bool Look(long taken)
    {
        var now = Now;
        // The pass has only begun.
        var isKnown = _due == AtOnce;
        _due = ++_looks < MostLooks ? now + Between : Never;
        return isKnown || LookNow(now, taken);
    }

    /// <summary>The log is about to be collected.</summary>
    public void End(long taken) => LookNow(Now, taken);

    bool LookNow(long now, long taken)
    {
        var count = LogRuns.Find(memory, _runs);
        if (count >= 0) return _finder.Look(Seconds(0, now), _runs.AsSpan(0, count), taken);
        _finder.Lose(Seconds(0, now));
        return false;
    }

    /// <summary>What is to go is counted anew.</summary>
    public void ClearCells()
    {
        Array.Clear(_open);
        Array.Clear(_costly);
    }

    /// <summary>Pages of a word of a bitmap that are to go.</summary>
    public void Count(long firstPage, int pages, bool isTouched)
    {
        var cell = (int)(firstPage / 64 / _cellWords);
        _open[cell] += pages;
        if (isTouched) _costly[cell] += pages;
    }

    /// <summary>Where the pass goes on, after a look that found who walks; null where it may go on as it stands.</summary>
    /// <param name="at">Where it stands.</param>
    /// <param name="sent">Pages that took time and went so far.</param>
    /// <param name="bytes">What they took on the wire.</param>
    public long? Choose(long at, long sent, long bytes)
    {
        var found = _finder.Found;
        for (var i = 0; i < found.Length; i++) _walkers[i] = WalkerOf(found[i]);
        var walkers = _walkers.AsSpan(0, found.Length);
        if (PassStart.Choose(walkers, _open, _costly, _cellWords * 64.0, PagesPerSecond(sent, bytes), at, memory.Length / GuestMemory.PageSize) is not { } place) return null;
        // Once a pass.
        _due = Never;
        var rate = 0.0;
        foreach (var walker in walkers) rate += walker.Rate;
        moved(new PassMove(at, place, found[0].Head, found.Length, rate));
        return place.Page;
    }

    /// <summary>
    /// As in this pass or, when it has only begun, as in the one before; under a limit the first pages of a window leave faster than it lets
    /// them go on the whole.
    /// </summary>
    double PagesPerSecond(long sent, long bytes)
    {
        var inPass = sent - _sentBefore;
        var rate = inPass >= FewestSent || _pagesPerSecond == 0 ? inPass / Seconds(_began, Now) : _pagesPerSecond;
        var most = limit();
        return most > 0 && bytes > 0 ? Math.Min(rate, most * (double)sent / bytes) : rate;
    }

    /// <summary>
    /// Who goes on through memory that is in use comes round where that ends; who has come to its end takes more of it in use.
    /// </summary>
    Walker WalkerOf(FoundWalk walk)
    {
        long start = 0;
        foreach (var block in memory.Blocks)
        {
            var last = walk.Head - 1 - start;
            if (last < block.Pages)
            {
                var (first, end) = block.TouchedAround((int)(last / RamBlock.PagesPerChunk));
                var next = (last / RamBlock.PagesPerChunk) + 1;
                var pages = next < end ? Math.Min(block.Pages, (long)end * RamBlock.PagesPerChunk) : block.Pages;
                var from = (long)first * RamBlock.PagesPerChunk;
                return new Walker(walk.Head, walk.Rate, start + from, pages - from);
            }
            start += block.Pages;
        }
        return new Walker(walk.Head, walk.Rate, 0, start);
    }

    static double Seconds(long from, long to) => Math.Max(to - from, 1) / (double)Stopwatch.Frequency;
}
