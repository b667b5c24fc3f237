namespace PsMigrate.Engine.Model;

/// <summary>What it cost a guest to run before all of its memory was there, by the destination's clock. Immutable.</summary>
public sealed record PostcopyFigures
{
    /// <summary>How often a vCPU needed a page that was not there.</summary>
    public long Faults { get; init; }

    /// <summary>Pages that the destination asked for (QEMU's ram.postcopy-requests); several faults may wait for one page.</summary>
    public long RequestedPages { get; init; }

    /// <summary>From a fault until the page was there: half of the faults took at most so long.</summary>
    public TimeSpan MedianLatency { get; init; }

    /// <summary>99 of 100 faults took at most so long.</summary>
    public TimeSpan Latency99 { get; init; }

    /// <summary>The longest fault.</summary>
    public TimeSpan WorstLatency { get; init; }

    /// <summary>How many faults took how long: entry n counts those of 2^n to 2^(n+1) microseconds, entry 0 also the shorter ones.</summary>
    public IReadOnlyList<long> Latencies { get; init; } = [];

    /// <summary>How long each vCPU stood waiting for pages (QEMU's postcopy-vcpu-blocktime).</summary>
    public IReadOnlyList<TimeSpan> BlockedTimes { get; init; } = [];

    /// <summary>How long all vCPUs stood waiting at one time (QEMU's postcopy-blocktime).</summary>
    public TimeSpan BlockedTime { get; init; }

    /// <summary>Pages that came after the guest ran.</summary>
    public long Pages { get; init; }

    /// <summary>One line.</summary>
    public override string ToString() => Faults == 0
        ? "no faults"
        : $"{Faults} faults, median {MedianLatency.TotalMilliseconds:0.000} ms, worst {WorstLatency.TotalMilliseconds:0.000} ms";
}
