namespace PsMigrate.Engine.Convergence;

/// <summary>When differences of pages that went before are sent.</summary>
enum DifferencesUse
{
    /// <summary>Not at all.</summary>
    Never,

    /// <summary>As they were asked for: from the second pass on, or under a limit within the first one.</summary>
    Asked,

    /// <summary>Where <see cref="MeansRule"/> would begin them.</summary>
    Adaptive,
}

/// <summary>How fast some of the last pages go, bytes of pages per second: they leave in one burst after a pause, and the guest stands until the other end has them.</summary>
/// <param name="Value">Expected.</param>
/// <param name="Least">At worst.</param>
/// <param name="Most">At best.</param>
readonly record struct BurstSpeed(double Value, double Least, double Most)
{
    /// <summary>One that is known.</summary>
    public static BurstSpeed Exactly(double value) => new(value, value, value);
}

/// <summary>
/// Who sends, and what it costs beside the link. Times in seconds, rates in bytes of pages per second. How fast pages are looked at and what a
/// switch-over takes are figures of docs/performance.md and docs/phases.md; how late windows end and how fast the last pages go are measured
/// (docs/convergence.md, "What is gone through").
/// </summary>
/// <param name="LooksAgain">
/// Whether the dirty log is taken again before pages go: what was written before its page went, goes with it. A QEMU under TCG sends that
/// page again in the next pass.
/// </param>
/// <param name="Setup">From the start to the first page.</param>
/// <param name="Synchronisation">Reading the dirty log, per byte of memory.</param>
/// <param name="Lateness">How much longer than it should a sleep until the end of a window lasts.</param>
/// <param name="Overhead">How long the guest stands beside the last pages.</param>
/// <param name="LeastOverhead">At best.</param>
/// <param name="MostOverhead">At worst.</param>
/// <param name="Scattered">The last pages, where they lie here and there.</param>
/// <param name="Together">The same of a guest that walks: they lie one behind the other.</param>
/// <param name="New">Those that never went before, where the destination has time to have their memory mapped.</param>
/// <param name="Unmapped">The same where it has none.</param>
/// <param name="LeastOfLink">What the last pages take at best of the time that the link has for as many bytes.</param>
/// <param name="DeviceState">vCPUs and devices, bytes.</param>
/// <param name="SmallPages">How fast pages go that leave as a few bytes.</param>
/// <param name="ZeroPages">How fast zero pages are looked at.</param>
/// <param name="LoadedZeros">How fast the destination takes zero pages; what it has not taken when the guest stops is waited for.</param>
/// <param name="PageHeader">Bytes of a page's record beside the page.</param>
/// <param name="ZeroRecord">Bytes of a zero page's record.</param>
/// <param name="Finish">From the guest running there to the end.</param>
readonly record struct SenderModel(
    bool LooksAgain, double Setup, double Synchronisation, double Lateness, double Overhead, double LeastOverhead, double MostOverhead,
    BurstSpeed Scattered, BurstSpeed Together, BurstSpeed New, BurstSpeed Unmapped, double LeastOfLink, double DeviceState, double SmallPages, double ZeroPages, double LoadedZeros,
    double PageHeader, double ZeroRecord, double Finish)
{
    /// <summary>Whether passes go on where a guest that walks is met last (<see cref="PassStart"/>); only of one that looks again.</summary>
    public bool FollowsWalks { get; init; }

    /// <summary>
    /// This engine, to a receiver of its own, which has caught up when the guest stops, and mostly had memory mapped for what follows. Pages that go in
    /// runs have a header for many.
    /// </summary>
    public static SenderModel Ours { get; } = new(
        true, Setup: 0.005, Synchronisation: 2e-14, Lateness: 0.0006, Overhead: 0.001, LeastOverhead: 0.0003, MostOverhead: 0.0025,
        Scattered: new(1.7e9, 0.95e9, 4e9), Together: new(2.7e9, 1.3e9, 6e9), New: new(2.3e9, 1.1e9, 6e9), Unmapped: new(1.2e9, 0.3e9, 4e9), LeastOfLink: 1,
        DeviceState: 16 << 10, SmallPages: 1.5e9, ZeroPages: 10e9, LoadedZeros: double.PositiveInfinity, PageHeader: 0, ZeroRecord: 0, Finish: 0.001) { FollowsWalks = true };

    /// <summary>
    /// A QEMU: 0 to 9 ms for a small pc, median 1 to 2, as it tells itself (docs/phases.md). What its link carries is known of whole migrations, in
    /// which the destination has touched nothing yet. A destination of QEMU looks at each page that comes as zero, and so has it mapped.
    /// </summary>
    public static SenderModel Qemu { get; } = new(
        false, Setup: 0.01, Synchronisation: 1e-12, Lateness: 0, Overhead: 0.003, LeastOverhead: 0.001, MostOverhead: 0.01,
        Scattered: new(1.7e9, 0.9e9, 4e9), Together: new(1.7e9, 0.9e9, 4e9), New: new(0.75e9, 0.3e9, 3e9), Unmapped: new(0.75e9, 0.3e9, 3e9), LeastOfLink: 0.6,
        DeviceState: 256 << 10, SmallPages: 1e9, ZeroPages: 16e9, LoadedZeros: 6.5e9, PageHeader: 8, ZeroRecord: 9, Finish: 0.001);

    /// <summary>How fast pages go once more, of a guest that walks or does not.</summary>
    public BurstSpeed Again(bool walks) => walks ? Together : Scattered;
}
