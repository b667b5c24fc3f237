using System.Globalization;

namespace PsMigrate.Engine.Convergence;

/// <summary>Pages of one pass, or of as much of it as there is, that were not zero.</summary>
/// <param name="Whole">Sent as they are.</param>
/// <param name="Small">Sent as a few bytes, by whatever means.</param>
/// <param name="Looked">
/// Looked up among the pages that were sent before, without those by which the cache was filled: of a guest that walks through its memory
/// none is found until it comes round.
/// </param>
/// <param name="Found">Found there.</param>
/// <param name="FoundBytes">Bytes sent for those that were found.</param>
/// <param name="Spent">What the looking up and comparing took.</param>
readonly record struct PassPages(long Whole, long Small, long Looked, long Found, long FoundBytes, TimeSpan Spent);

/// <summary>What <see cref="MeansRule"/> looks at. Bytes and bytes/s.</summary>
/// <param name="Pass">Which pass, from 1.</param>
/// <param name="IsOver">Whether it is over; only of the first one is more asked.</param>
/// <param name="Pages">What went in it.</param>
/// <param name="Bandwidth">What the link carries.</param>
/// <param name="BestBandwidth">The most that it carried so far.</param>
/// <param name="MaxBandwidth">What it may carry; 0 is no limit.</param>
/// <param name="DirtyRate">How fast the guest dirties distinct pages.</param>
/// <param name="Dirty">Pages that went and have to go again.</param>
/// <param name="Left">Pages that are still to go in this pass and may hold something.</param>
/// <param name="Threshold">What may be left at the switch-over.</param>
/// <param name="Memory">The guest's memory.</param>
/// <param name="CacheSize">The size of the cache that was asked for; 0 leaves it to the rule.</param>
/// <param name="IsAsked">Whether the user asked for differences.</param>
/// <param name="IsUsing">Whether they are in use.</param>
/// <param name="Passes">For how many passes they are, or are not.</param>
/// <param name="Failures">How often they were given up.</param>
readonly record struct MeansInput(
    int Pass, bool IsOver, PassPages Pages, double Bandwidth, double BestBandwidth, long MaxBandwidth, double DirtyRate, long Dirty,
    long Left, long Threshold, long Memory, long CacheSize, bool IsAsked, bool IsUsing, int Passes, int Failures);

/// <summary>What is to change, and why.</summary>
/// <param name="UseDifferences">Whether differences are sent from here on.</param>
/// <param name="CacheSize">Bytes for the pages as they were sent, of which they are made.</param>
/// <param name="Reason">Why.</param>
readonly record struct MeansChoice(bool UseDifferences, long CacheSize, string Reason);

/// <summary>
/// When differences of pages pay (docs/means.md). They cost memory and time at the source, and win where the same dense pages go
/// again and again, with little changed, over a link that is slower than the guest. Pure.
/// </summary>
static class MeansRule
{
    /// <summary>The largest cache that the rule takes by itself.</summary>
    public const long MostCache = 256L << 20;

    const int PageSize = 4096;

    // Fewer pages say nothing: 1 MiB.
    const long FewestPages = 256;

    // Of the pages with content those that go whole: where most go as a few bytes anyway there is little to win.
    const double DenseShare = 0.25;

    // Of the bandwidth what the guest dirties: below it passes shrink fast enough.
    const double BusyShare = 0.3;

    // Of the bytes of all pages looked up what must be saved where a limit binds, and time costs nothing.
    const double LeastGain = 0.05;

    // A page goes once a pass: in the first one none can be found.
    const int FillingPasses = 1;

    // After differences were given up; twice as long each time.
    const int Rest = 4;
    const int LongestRest = 64;

    /// <summary>Null when it goes on as it is.</summary>
    public static MeansChoice? Choose(in MeansInput input)
    {
        if (input is { IsAsked: true, IsUsing: false, IsOver: false }) return BeginEarly(input);
        if (input.Dirty <= input.Threshold) return null;
        return input.IsUsing ? GiveUp(input) : Begin(input);
    }

    /// <summary>
    /// The cache that the rule would take: as large as the guest, within a bound. What is dirty now says little of what will be: a guest
    /// that walks through its memory dirties other pages in each pass. Memory is taken only as the cache is filled.
    /// </summary>
    public static long CacheSize(in MeansInput input) =>
        input.CacheSize > 0 ? input.CacheSize : Math.Min(MostCache, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)input.Memory));

    static MeansChoice? Begin(in MeansInput input)
    {
        if (input.Passes < RestAfter(input.Failures)) return null;
        var size = CacheSize(input);
        if (input.IsAsked)
            return input.Failures == 0 ? null : new MeansChoice(true, size, "They were asked for: another look at whether they pay by now.");
        if (!IsDense(input.Pages) || Busy(input) is not { } why) return null;
        // Pages that went long ago would keep the slots of those that follow.
        if (!input.IsOver && input.Left > size) return null;
        return new MeansChoice(true, size, string.Create(CultureInfo.InvariantCulture,
            $"{why}, and {Share(input.Pages.Whole, input.Pages.Whole + input.Pages.Small)} of the pages with content go whole: what goes "
            + $"from here on is kept, in up to {Mebibytes(size)}, so that only what changed has to go again."));
    }

    /// <summary>
    /// Those that were asked for, within the first pass: where keeping costs no time, and what is kept takes hardly a slot from another page.
    /// </summary>
    static MeansChoice? BeginEarly(in MeansInput input)
    {
        var size = CacheSize(input);
        var content = ((input.Pages.Whole + input.Pages.Small) * PageSize) + input.Left;
        if (content > size || !BottleneckRule.IsCapped(input.Bandwidth, input.MaxBandwidth)) return null;
        return new MeansChoice(true, size, string.Create(CultureInfo.InvariantCulture,
            $"They were asked for. The limit of {Rate(input.MaxBandwidth)} binds, so that keeping costs no time, and {Mebibytes(size)} hold all "
            + $"that there is, {Mebibytes(content)}: what goes from here on is kept, and not only from the second pass on."));
    }

    static bool IsDense(PassPages pages) => pages.Whole >= FewestPages && pages.Whole >= DenseShare * (pages.Whole + pages.Small);

    static string? Busy(in MeansInput input)
    {
        if (BottleneckRule.IsCapped(input.Bandwidth, input.MaxBandwidth))
            return string.Create(CultureInfo.InvariantCulture, $"The limit of {Rate(input.MaxBandwidth)} binds");
        if (input.Bandwidth <= 0 || input.DirtyRate < BusyShare * input.Bandwidth) return null;
        return string.Create(CultureInfo.InvariantCulture,
            $"The guest dirties {Rate(input.DirtyRate)}, {Share(input.DirtyRate, input.Bandwidth)} of what the link carries");
    }

    static MeansChoice? GiveUp(in MeansInput input)
    {
        var pages = input.Pages;
        if (input.Passes <= FillingPasses || pages.Looked < FewestPages) return null;
        var saved = (double)(pages.Found * PageSize) - pages.FoundBytes;
        var looked = string.Create(CultureInfo.InvariantCulture,
            $"of {pages.Looked} pages {Share(pages.Found, pages.Looked)} were found and {Share(saved, (double)pages.Looked * PageSize)} of the bytes saved");
        if (BottleneckRule.IsCapped(input.Bandwidth, input.MaxBandwidth))
            return saved >= LeastGain * pages.Looked * PageSize ? null : new MeansChoice(false, 0, $"They do not pay: {looked}.");
        var best = Math.Max(input.BestBandwidth, input.Bandwidth);
        if (best <= 0 || saved / best >= pages.Spent.TotalSeconds) return null;
        return new MeansChoice(false, 0, string.Create(CultureInfo.InvariantCulture,
            $"They do not pay: {looked}, which the link carries in {Math.Max(0, saved / best) * 1000:0.#} ms, and making them took {pages.Spent.TotalMilliseconds:0.#} ms."));
    }

    static int RestAfter(int failures) => failures == 0 ? 0 : Math.Min(LongestRest, Rest << Math.Min(failures - 1, 8));

    static string Share(double part, double whole) => string.Create(CultureInfo.InvariantCulture, $"{(whole <= 0 ? 0 : 100 * part / whole):0.#} %");

    static string Rate(double bytesPerSecond) => string.Create(CultureInfo.InvariantCulture, $"{bytesPerSecond / (1 << 20):0.#} MB/s");

    static string Mebibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):0.##} MB");
}
