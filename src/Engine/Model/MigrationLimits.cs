using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>Limits that can be changed while a migration runs; null leaves one as it is.</summary>
/// <param name="MaxDowntime">How long the guest may stand still.</param>
/// <param name="MaxBandwidth">Bytes per second; 0 is no limit.</param>
/// <param name="Timeout">From the start of the migration.</param>
/// <param name="MaxPostcopyBandwidth">Bytes per second for what follows a guest that runs at the destination already; 0 is no limit.</param>
/// <param name="XbzrleCacheSize">Bytes for pages as they were sent, a power of two of at least a page; 0 takes QEMU's, 64 MiB.</param>
public sealed record MigrationLimits(
    TimeSpan? MaxDowntime = null, long? MaxBandwidth = null, TimeSpan? Timeout = null, long? MaxPostcopyBandwidth = null,
    long? XbzrleCacheSize = null)
{
    /// <summary>
    /// What is done when the time allowed is over. Needs such a time, set before or with it. Postcopy allows the guest to go over: of a guest of this
    /// process where its destination can be gone over to, of a QEMU's where Postcopy was allowed before it began.
    /// </summary>
    public TimeoutAction? OnTimeout { get; init; }

    /// <summary>Another policy, which begins anew with what is known from then on.</summary>
    public MigrationPolicy? Policy { get; init; }

    /// <summary>How much vCPUs may be slowed down at most, percent.</summary>
    public int? MaxThrottle { get; init; }

    /// <summary>The first step of auto-converge, percent.</summary>
    public int? ThrottleInitial { get; init; }

    /// <summary>Each further one, percent.</summary>
    public int? ThrottleIncrement { get; init; }

    /// <summary>Whether its steps are no larger than is needed.</summary>
    public bool? ThrottleTailslow { get; init; }

    /// <summary>When it steps, percent of what was sent.</summary>
    public int? ThrottleTrigger { get; init; }

    /// <summary>What each vCPU may write under dirty-limit, bytes per second.</summary>
    public long? VcpuDirtyLimit { get; init; }

    /// <summary>The parameters with these limits. Throws InvalidParameter, InvalidPolicy.</summary>
    internal MigrationParameters ApplyTo(MigrationParameters parameters) => (parameters with
    {
        MaxDowntime = MaxDowntime ?? parameters.MaxDowntime,
        MaxBandwidth = MaxBandwidth ?? parameters.MaxBandwidth,
        Timeout = Timeout ?? parameters.Timeout,
        OnTimeout = OnTimeout ?? parameters.OnTimeout,
        Postcopy = parameters.Postcopy || OnTimeout == TimeoutAction.Postcopy,
        HasSaidWhenToGoOver = parameters.HasSaidWhenToGoOver || (OnTimeout is not null && parameters.OnTimeout == TimeoutAction.Postcopy),
        MaxPostcopyBandwidth = MaxPostcopyBandwidth ?? parameters.MaxPostcopyBandwidth,
        XbzrleCacheSize = XbzrleCacheSize ?? parameters.XbzrleCacheSize,
        Policy = Policy ?? parameters.Policy,
        MaxThrottle = MaxThrottle ?? parameters.MaxThrottle,
        ThrottleInitial = ThrottleInitial ?? AtMost(parameters.ThrottleInitial),
        ThrottleIncrement = ThrottleIncrement ?? parameters.ThrottleIncrement,
        ThrottleTailslow = ThrottleTailslow ?? parameters.ThrottleTailslow,
        ThrottleTrigger = ThrottleTrigger ?? parameters.ThrottleTrigger,
        VcpuDirtyLimit = VcpuDirtyLimit ?? parameters.VcpuDirtyLimit,
    }).Validate();

    /// <summary>What of the way to the end became another, for the trail.</summary>
    internal static IEnumerable<(string What, string From, string To)> Changes(MigrationParameters before, MigrationParameters after)
    {
        if (before.MaxDowntime != after.MaxDowntime) yield return (nameof(MaxDowntime), Time(before.MaxDowntime), Time(after.MaxDowntime));
        if (before.MaxBandwidth != after.MaxBandwidth) yield return (nameof(MaxBandwidth), Rate(before.MaxBandwidth), Rate(after.MaxBandwidth));
        if (before.Timeout != after.Timeout) yield return (nameof(Timeout), Time(before.Timeout), Time(after.Timeout));
        if (before.OnTimeout != after.OnTimeout) yield return (nameof(OnTimeout), $"{before.OnTimeout}", $"{after.OnTimeout}");
        if (!ReferenceEquals(before.Policy, after.Policy)) yield return (nameof(Policy), Name(before), Name(after));
        if (before.MaxThrottle != after.MaxThrottle) yield return (nameof(MaxThrottle), Percent(before.MaxThrottle, 99), Percent(after.MaxThrottle, 99));
        if (before.ThrottleInitial != after.ThrottleInitial)
            yield return (nameof(ThrottleInitial), Percent(before.ThrottleInitial, 20), Percent(after.ThrottleInitial, 20));
        if (before.ThrottleIncrement != after.ThrottleIncrement)
            yield return (nameof(ThrottleIncrement), Percent(before.ThrottleIncrement, 10), Percent(after.ThrottleIncrement, 10));
        if (before.ThrottleTailslow != after.ThrottleTailslow)
            yield return (nameof(ThrottleTailslow), OnOff(before.ThrottleTailslow), OnOff(after.ThrottleTailslow));
        if (before.ThrottleTrigger != after.ThrottleTrigger)
            yield return (nameof(ThrottleTrigger), Percent(before.ThrottleTrigger, 50), Percent(after.ThrottleTrigger, 50));
        if (before.VcpuDirtyLimit != after.VcpuDirtyLimit) yield return (nameof(VcpuDirtyLimit), Rate(before.VcpuDirtyLimit), Rate(after.VcpuDirtyLimit));
    }

    // A first step is at least 1 %, and never above the most.
    int? AtMost(int? initial) => initial is { } first && MaxThrottle is { } most ? Math.Min(first, Math.Max(1, most)) : initial;

    static string Name(MigrationParameters parameters) => parameters.Policy?.Name ?? "the default";

    static string Time(TimeSpan? time) => time is { } some ? PolicyText.Amount(some.TotalSeconds, PolicyUnit.Seconds) : "no limit";

    static string Rate(long bytes) => bytes == 0 ? "no limit" : PolicyText.Amount(bytes, PolicyUnit.BytesPerSecond);

    static string Percent(int? value, int usual) => string.Create(CultureInfo.InvariantCulture, $"{value ?? usual} %");

    static string OnOff(bool value) => value ? "on" : "off";
}
