namespace PsMigrate.Engine.Model;

/// <summary>How a dirty rate is measured (DirtyRateMeasureMode of qapi/migration.json).</summary>
public enum DirtyRateMode
{
    /// <summary>Some pages are compared with what they were: an estimate that costs little.</summary>
    PageSampling,

    /// <summary>Each page that is written counts once, by the dirty log.</summary>
    DirtyBitmap,

    /// <summary>By KVM's dirty ring, for each vCPU.</summary>
    DirtyRing,
}

/// <summary>What a vCPU dirtied.</summary>
/// <param name="Id">Its index.</param>
/// <param name="DirtyRate">Bytes per second.</param>
public sealed record VcpuDirtyRate(int Id, double DirtyRate);

/// <summary>What query-dirty-rate told, in QEMU's names and units.</summary>
/// <param name="Status">measured.</param>
/// <param name="DirtyRate">MiB per second, whole.</param>
/// <param name="StartTime">Seconds of QEMU's clock; before 8.2 of one that does not begin in 1970.</param>
/// <param name="CalcTime">For how long, in <paramref name="CalcTimeUnit"/>.</param>
/// <param name="CalcTimeUnit">second or millisecond.</param>
/// <param name="SamplePages">Pages compared per GiB; 0 in other modes.</param>
/// <param name="Mode">page-sampling, dirty-bitmap or dirty-ring.</param>
public sealed record QemuDirtyRate(
    string Status, long DirtyRate, long StartTime, long CalcTime, string CalcTimeUnit, long SamplePages, string Mode);

/// <summary>How fast a guest dirtied memory during a time.</summary>
public sealed record GuestDirtyRate
{
    /// <summary>The guest's name.</summary>
    public required string Name { get; init; }

    /// <summary>The host it lives on.</summary>
    public required string Host { get; init; }

    /// <summary>How it was measured.</summary>
    public DirtyRateMode Mode { get; init; }

    /// <summary>For how long <see cref="DirtyRate"/> was measured: the longest interval of the curve.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Bytes per second: pages that were written at least once, times the size of a page.</summary>
    public double DirtyRate { get; init; }

    /// <summary>Of each vCPU; empty where that is not known (PageSampling, DirtyBitmap of a QEMU).</summary>
    public VcpuDirtyRate[] Vcpus { get; init; } = [];

    /// <summary>Distinct memory dirtied against the interval; null where it was not measured.</summary>
    public DirtyCurve? Curve { get; init; }

    /// <summary>Distinct pages that were dirtied in the longest interval, bytes: what of the writable working set was seen.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>
    /// The writable working set, bytes: where the curve ends, when it has flattened so far that a good half of that was seen. Null while
    /// it still rises too steeply to say.
    /// </summary>
    public long? WorkingSet { get; init; }

    /// <summary>QEMU's own figures, of the longest interval; null where no QEMU measured.</summary>
    public QemuDirtyRate? Qemu { get; init; }

    /// <summary>When it was known.</summary>
    public DateTime Timestamp { get; init; } = WallClock.Now;
}
