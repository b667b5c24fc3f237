namespace PsMigrate.Engine.Convergence;

/// <summary>What a postcopy comes to.</summary>
/// <param name="Time">Until all memory has followed, seconds.</param>
/// <param name="Stalled">How long vCPUs wait for pages in it, all together, seconds.</param>
/// <param name="Bytes">What follows.</param>
readonly record struct PostcopyCost(double Time, double Stalled, double Bytes);

/// <summary>
/// A guest that goes over before its memory: each page that is missing goes once, as fast as the link may, and the guest waits for those that
/// it writes to before they came. Pages come evenly, so that one that is needed at half of the time is there with a chance of one half. A rough
/// model: of what the guest reads a trace knows nothing. Pure.
/// </summary>
static class PostcopyModel
{
    const int Steps = 24;
    const double PageSize = 4096;

    // What may be on its way before a page that is asked for (RamSaver.Postcopy): a piece, and what waits in the system.
    const double Ahead = (128 << 10) + (64 << 10);

    /// <param name="guest">As it is when it goes over.</param>
    /// <param name="missing">What does not go with it.</param>
    /// <param name="now">When it goes over.</param>
    /// <param name="rate">What may be sent, bytes/s.</param>
    /// <param name="share">What a page takes, by its size.</param>
    /// <param name="roundTrip">Seconds there and back.</param>
    /// <param name="processors">How many vCPUs wait, each for its own.</param>
    public static PostcopyCost Of(ReplayGuest guest, IReadOnlyList<MissingPages> missing, double now, double rate, double share, double roundTrip, int processors)
    {
        var bytes = missing.Sum(one => one.Pages) * PageSize * share;
        var time = bytes / rate;
        var latency = roundTrip + (Ahead / rate);
        // A guest that waits writes less, and so waits less: the share of its time that it has left is found by halving.
        double slow = 0, fast = 1;
        for (var step = 0; step < Steps; step++)
        {
            var speed = (slow + fast) / 2;
            var waits = Faults(guest, missing, now, time, speed) * latency;
            if (waits > (1 - speed) * time * processors) fast = speed;
            else slow = speed;
        }
        return new PostcopyCost(time, Math.Min((1 - slow) * time * processors, Faults(guest, missing, now, time, 1) * latency), bytes);
    }

    /// <summary>How often it needs a page that has not come, if it has this share of its time for itself.</summary>
    static double Faults(ReplayGuest guest, IReadOnlyList<MissingPages> missing, double now, double time, double speed)
    {
        double faults = 0, before = 0;
        for (var step = 1; step <= Steps; step++)
        {
            var needed = missing.Sum(one => Needed(guest, one, now, time * speed * step / Steps));
            faults += (needed - before) * (1 - ((step - 0.5) / Steps));
            before = needed;
        }
        return faults;
    }

    /// <summary>Of the missing pages, how many it writes to within so long.</summary>
    static double Needed(ReplayGuest guest, MissingPages one, double now, double seconds)
    {
        if (one.Pages <= 0) return 0;
        var from = guest.TimeOf(one.Region, now);
        var written = guest.Written(one.Region, from, from + seconds) * one.Share;
        if (one.Since is not { } since) return Math.Min(one.Pages, written * one.Pages / Math.Max(one.Pages, guest.PagesOf(one.Region) * one.Share));
        // Those that were written before and after: what both have, less what both together have.
        var both = guest.Written(one.Region, since, from + seconds) * one.Share;
        return Math.Clamp(one.Pages + written - Math.Max(both, one.Pages), 0, one.Pages);
    }
}
