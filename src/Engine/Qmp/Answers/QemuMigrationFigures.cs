using System.Text.Json;

namespace PsMigrate.Engine.Qmp;

/// <summary>The part <c>ram</c> of query-migrate (MigrationStats). What is missing is 0, as QEMU shows what does not apply.</summary>
sealed record QemuRamInfo
{
    /// <summary>Of all blocks, bytes.</summary>
    public long Total { get; init; }

    /// <summary>Dirty, bytes.</summary>
    public long Remaining { get; init; }

    /// <summary>Sent so far, bytes.</summary>
    public long Transferred { get; init; }

    /// <summary>Zero pages sent.</summary>
    public long Duplicate { get; init; }

    /// <summary>Pages sent raw.</summary>
    public long Normal { get; init; }

    /// <summary>Of pages sent raw, bytes.</summary>
    public long NormalBytes { get; init; }

    /// <summary>Bytes.</summary>
    public long PageSize { get; init; }

    /// <summary>Of the last period, or of all once completed, 10^6 bit/s.</summary>
    public double Mbps { get; init; }

    /// <summary>Pages per second.</summary>
    public long DirtyPagesRate { get; init; }

    /// <summary>How often the dirty log was read: the number of the pass.</summary>
    public long DirtySyncCount { get; init; }

    /// <summary>Zero-copy flushes that had to copy.</summary>
    public long DirtySyncMissedZeroCopy { get; init; }

    /// <summary>Pages that the destination asked for.</summary>
    public long PostcopyRequests { get; init; }

    /// <summary>Sent by multifd channels, bytes.</summary>
    public long MultifdBytes { get; init; }

    /// <summary>Pages sent per second, last period.</summary>
    public long PagesPerSecond { get; init; }

    /// <summary>Sent while the guest ran at the source, bytes.</summary>
    public long PrecopyBytes { get; init; }

    /// <summary>Sent while the guest stood still, bytes.</summary>
    public long DowntimeBytes { get; init; }

    /// <summary>Sent in postcopy, bytes.</summary>
    public long PostcopyBytes { get; init; }

    /// <summary>
    /// Distinct pages that the guest dirtied between an earlier answer and this one, bytes, as far as looks at the log have found them: what was dirty
    /// then and was not sent is no part of it.
    /// </summary>
    /// <param name="before">The earlier answer.</param>
    /// <param name="differences">Pages that were sent as differences in between, which are not among the others.</param>
    public long DirtiedSince(QemuRamInfo before, long differences)
    {
        var sent = (Normal + Duplicate - before.Normal - before.Duplicate + differences) * PageSize;
        // Before it begins all is dirty.
        return Math.Max(0, Remaining + sent - (before.Total > 0 ? before.Remaining : Total));
    }

    /// <summary>Null where this is no object; never throws.</summary>
    public static QemuRamInfo? Parse(JsonElement from) => from.ValueKind != JsonValueKind.Object ? null : new()
    {
        Total = from.Number("total") ?? 0,
        Remaining = from.Number("remaining") ?? 0,
        Transferred = from.Number("transferred") ?? 0,
        Duplicate = from.Number("duplicate") ?? 0,
        Normal = from.Number("normal") ?? 0,
        NormalBytes = from.Number("normal-bytes") ?? 0,
        PageSize = from.Number("page-size") ?? 0,
        Mbps = from.Real("mbps") ?? 0,
        DirtyPagesRate = from.Number("dirty-pages-rate") ?? 0,
        DirtySyncCount = from.Number("dirty-sync-count") ?? 0,
        DirtySyncMissedZeroCopy = from.Number("dirty-sync-missed-zero-copy") ?? 0,
        PostcopyRequests = from.Number("postcopy-requests") ?? 0,
        MultifdBytes = from.Number("multifd-bytes") ?? 0,
        PagesPerSecond = from.Number("pages-per-second") ?? 0,
        PrecopyBytes = from.Number("precopy-bytes") ?? 0,
        DowntimeBytes = from.Number("downtime-bytes") ?? 0,
        PostcopyBytes = from.Number("postcopy-bytes") ?? 0,
    };
}

/// <summary>How long vCPUs waited for pages at the destination of a postcopy.</summary>
/// <param name="Blocktime">During which all vCPUs were blocked.</param>
/// <param name="VcpuBlocktime">Of each vCPU, ms.</param>
/// <param name="Latency">Average of a page fault, ns (10.1).</param>
/// <param name="LatencyDistribution">Faults that took 2^N to 2^(N+1) µs (10.1).</param>
/// <param name="VcpuLatency">Average of each vCPU, ns (10.1).</param>
/// <param name="NonVcpuLatency">Average of the faults of other threads, ns (10.1).</param>
sealed record QemuPostcopyInfo(
    TimeSpan? Blocktime, long[] VcpuBlocktime, long? Latency, long[] LatencyDistribution, long[] VcpuLatency, long? NonVcpuLatency)
{
    /// <summary>From the whole of query-migrate; null where it has none of these. Never throws.</summary>
    public static QemuPostcopyInfo? Parse(JsonElement from)
    {
        var (blocktime, latency) = (from.Milliseconds("postcopy-blocktime"), from.Number("postcopy-latency"));
        return blocktime is null && latency is null ? null : new(blocktime, from.Numbers("postcopy-vcpu-blocktime"), latency,
            from.Numbers("postcopy-latency-dist"), from.Numbers("postcopy-vcpu-latency"), from.Number("postcopy-non-vcpu-latency"));
    }
}
