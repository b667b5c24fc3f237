using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Convergence;

/// <summary>Somebody who writes one page after the other, round and round. Places are pages, all blocks one behind the other.</summary>
/// <param name="Head">The page that comes next.</param>
/// <param name="Rate">Pages a second.</param>
/// <param name="First">Where the round begins, as far as is known.</param>
/// <param name="Length">How long it is.</param>
readonly record struct Walker(double Head, double Rate, double First, double Length)
{
    /// <summary>Where it is after so many pages.</summary>
    public double After(double pages) => First + Wrap(Head - First + pages, Length);

    static double Wrap(double at, double length) => length <= 0 ? 0 : at - (Math.Floor(at / length) * length);
}

/// <summary>Where a pass goes on.</summary>
/// <param name="Page">From which page.</param>
/// <param name="Again">Pages that are written after they went, so.</param>
/// <param name="Otherwise">The same if it goes on where it stands.</param>
readonly record struct PassPlace(long Page, double Again, double Otherwise);

/// <summary>
/// Where a pass goes on, so that a guest that walks through its memory is met as late as can be (docs/means.md): what it writes before its page
/// goes, goes along, and what it writes after that has to go again. From the chosen place the sender goes upwards, and round once. Pure.
/// </summary>
static class PassStart
{
    /// <summary>Parts of the memory of which is counted what is to go.</summary>
    public const int Cells = 256;

    // Of the ways that are looked at, all together: the sender waits.
    const int Samples = 512;

    // Places that are tried wherever the ways end: of several, or of one that comes round more than once, the best may lie anywhere.
    const int Places = 64;

    // Pages that must be won, 1 MiB, and which share of those that would go again.
    const double LeastGain = 256;
    const double LeastShare = 0.1;

    // A little before the end of a way, and a little behind it: who comes a page too early writes on for long before the sender has caught up.
    static ReadOnlySpan<double> Around => [0, 64, 256, 512, 1024, 2048, 4096, -256, -1024, -4096];

    /// <summary>Null where it may go on as it stands.</summary>
    /// <param name="walkers">Who writes.</param>
    /// <param name="open">Of each cell the pages that are to go.</param>
    /// <param name="costly">Those of them that take time: what was never written takes none.</param>
    /// <param name="cellPages">Pages of a cell.</param>
    /// <param name="pagesPerSecond">How fast pages go.</param>
    /// <param name="at">Where the sender stands.</param>
    /// <param name="pages">How many pages there are; cells may go beyond.</param>
    public static PassPlace? Choose(
        ReadOnlySpan<Walker> walkers, ReadOnlySpan<double> open, ReadOnlySpan<double> costly, double cellPages, double pagesPerSecond, double at, double pages)
    {
        Span<double> before = stackalloc double[costly.Length + 1];
        before[0] = 0;
        for (var cell = 0; cell < costly.Length; cell++) before[cell + 1] = before[cell] + costly[cell];
        if (!(pagesPerSecond > 0) || before[^1] <= 0) return null;
        var pass = new Pass(open, before, cellPages, pagesPerSecond);
        var otherwise = pass.Again(walkers, at);
        if (otherwise * (1 - LeastShare) < LeastGain) return null;
        var (place, again) = (at, otherwise);
        for (var one = 0; one < Places; one++) Try(pass, walkers, Math.Floor(one * pages / Places), ref place, ref again);
        foreach (var walker in walkers)
            foreach (var offset in Around) Try(pass, walkers, Math.Floor(walker.After((walker.Rate * pass.Seconds) + offset)), ref place, ref again);
        return again + LeastGain > otherwise * (1 - LeastShare) ? null : new PassPlace((long)place, again, otherwise);
    }

    static void Try(in Pass pass, ReadOnlySpan<Walker> walkers, double one, ref double place, ref double again)
    {
        if (walkers.IsEmpty || pass.Again(walkers, one) is var then && then >= again) return;
        (place, again) = (one, then);
    }

    readonly ref struct Pass(ReadOnlySpan<double> open, ReadOnlySpan<double> before, double cellPages, double pagesPerSecond)
    {
        readonly ReadOnlySpan<double> _open = open;
        readonly ReadOnlySpan<double> _before = before;

        /// <summary>How long it takes.</summary>
        public double Seconds => _before[^1] / pagesPerSecond;

        /// <summary>Pages that are written after they went, or that do not go in it, if it begins at a place.</summary>
        public double Again(ReadOnlySpan<Walker> walkers, double start)
        {
            var again = 0.0;
            var sent = Sent(start);
            foreach (var walker in walkers) again += Again(walker, start, sent, Samples / walkers.Length);
            return again;
        }

        // The first migration of a process comes before the runtime would do that.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        double Again(in Walker walker, double start, double sentBefore, int samples)
        {
            // Of what it comes to more than once the last time counts.
            var end = walker.Rate * Seconds;
            var from = Math.Max(0, end - walker.Length);
            var width = (end - from) / samples;
            var again = 0.0;
            for (var sample = 0; sample < samples; sample++)
            {
                var step = from + ((sample + 0.5) * width);
                var page = walker.After(step);
                again += When(page, start, sentBefore) < step / walker.Rate ? 1 : 1 - Share(page);
            }
            return again * width;
        }

        double When(double page, double start, double sentBefore)
        {
            var sent = Sent(page) - sentBefore;
            return (page < start ? sent + _before[^1] : sent) / pagesPerSecond;
        }

        /// <summary>What takes time up to a page.</summary>
        double Sent(double page)
        {
            var (cell, share) = CellOf(page);
            return _before[cell] + (share * (_before[cell + 1] - _before[cell]));
        }

        double Share(double page) => Math.Min(1, _open[CellOf(page).Cell] / cellPages);

        (int Cell, double Share) CellOf(double page)
        {
            var cell = Math.Clamp((int)(page / cellPages), 0, _open.Length - 1);
            return (cell, Math.Clamp((page / cellPages) - cell, 0, 1));
        }
    }
}
