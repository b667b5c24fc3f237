namespace PsMigrate.Engine.Convergence;

/// <summary>When differences of pages that went before are sent.</summary>
enum DifferencesUse
{
    /// <summary>Not at all.</summary>
    Never,

    /// <summary>From the second pass on, as they were asked for.</summary>
    Asked,

    /// <summary>Where <see cref="MeansRule"/> would begin them.</summary>
    Adaptive,
}

/// <summary>
/// Who sends, and what it costs beside the link. Times in seconds, rates in bytes of pages per second. The figures are
/// rough: how fast pages are looked at and what a switch-over takes are those of docs/performance.md and docs/phases.md; those of the last pages were fitted to few
/// migrations on a busy machine; those of a QEMU are the same ones.
/// </summary>
/// <param name="LooksAgain">
/// Whether the dirty log is taken again before pages go: what was written before its page went, goes with it. A QEMU under TCG sends that
/// page again in the next pass.
/// </param>
/// <param name="Setup">From the start to the first page.</param>
/// <param name="Synchronisation">Reading the dirty log, per byte of memory.</param>
/// <param name="Overhead">How long the guest stands beside the last pages.</param>
/// <param name="LeastOverhead">At best.</param>
/// <param name="MostOverhead">At worst.</param>
/// <param name="FinalPages">
/// How fast both ends handle the last pages, which go in one burst after a pause: a link that is faster than that is of no use to them.
/// </param>
/// <param name="LeastFinalPages">The same on a machine that is busy.</param>
/// <param name="DeviceState">vCPUs and devices, bytes.</param>
/// <param name="SmallPages">How fast pages go that leave as a few bytes.</param>
/// <param name="ZeroPages">How fast zero pages are looked at.</param>
/// <param name="Finish">From the guest running there to the end.</param>
readonly record struct SenderModel(
    bool LooksAgain, double Setup, double Synchronisation, double Overhead, double LeastOverhead, double MostOverhead,
    double FinalPages, double LeastFinalPages, double DeviceState, double SmallPages, double ZeroPages, double Finish)
{
    /// <summary>
    /// This engine, to a receiver of its own: 0.24 ms over tcp when warm, 0.57 ms the first time, several on a machine that is busy
    /// (docs/phases.md, "While the guest stands"). The last 22 MB of a guest took 14 to 34 ms on two busy cores, 8 MB to a destination
    /// that had not touched that memory 28 to 50 ms.
    /// </summary>
    public static SenderModel Ours { get; } = new(
        true, Setup: 0.005, Synchronisation: 2e-14, Overhead: 0.0006, LeastOverhead: 0.0002, MostOverhead: 0.006,
        FinalPages: 1.2e9, LeastFinalPages: 0.4e9, DeviceState: 16 << 10, SmallPages: 1.5e9, ZeroPages: 10e9, Finish: 0.001);

    /// <summary>A QEMU: 0 to 9 ms for a small pc, median 1 to 2, as it tells itself (docs/phases.md).</summary>
    public static SenderModel Qemu { get; } = new(
        false, Setup: 0.01, Synchronisation: 1e-12, Overhead: 0.003, LeastOverhead: 0.001, MostOverhead: 0.01,
        FinalPages: 1.2e9, LeastFinalPages: 0.4e9, DeviceState: 256 << 10, SmallPages: 1e9, ZeroPages: 8e9, Finish: 0.001);
}
