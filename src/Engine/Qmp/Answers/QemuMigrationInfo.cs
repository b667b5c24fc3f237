using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>
/// What query-migrate tells (MigrationInfo of qapi/migration.json, 7.2 to 11.1): the outgoing migration if this QEMU ever had one, else
/// the incoming one. What QEMU left out, or has not in this version, is null or empty.
/// </summary>
sealed record QemuMigrationInfo
{
    /// <summary>QEMU's name of the state; <c>none</c> where it gives none.</summary>
    public required string StatusText { get; init; }

    /// <summary>The state; null where its name is not known here.</summary>
    public MigrationStatus? Status => QemuStatus.Parse(StatusText);

    /// <summary>Figures of RAM; from active on, and not for a migration that failed or was cancelled.</summary>
    public QemuRamInfo? Ram { get; init; }

    /// <summary>From the start until now, or until it completed.</summary>
    public TimeSpan? TotalTime { get; init; }

    /// <summary>Of the setup, before the first pass.</summary>
    public TimeSpan? SetupTime { get; init; }

    /// <summary>While it has not completed.</summary>
    public TimeSpan? ExpectedDowntime { get; init; }

    /// <summary>Once it has completed or is in postcopy.</summary>
    public TimeSpan? Downtime { get; init; }

    /// <summary>What is pending of all sections, bytes (11.1).</summary>
    public long? Remaining { get; init; }

    /// <summary>How much vCPUs are slowed down at present, percent.</summary>
    public long? CpuThrottlePercentage { get; init; }

    /// <summary>The first error.</summary>
    public string? ErrorDescription { get; init; }

    /// <summary>Why this guest can't be migrated.</summary>
    public string[] BlockedReasons { get; init; } = [];

    /// <summary>Page differences, where xbzrle is on.</summary>
    public XbzrleFigures? XbzrleCache { get; init; }

    /// <summary>Of VFIO devices, bytes.</summary>
    public long? VfioTransferred { get; init; }

    /// <summary>Of the destination in postcopy, where postcopy-blocktime is on.</summary>
    public QemuPostcopyInfo? Postcopy { get; init; }

    /// <summary>Where a destination listens, with the port that was chosen; what is no <see cref="MigrationUri"/> is left out.</summary>
    public MigrationUri[] SocketAddresses { get; init; } = [];

    /// <summary>The longest throttling in a round of a full dirty ring (8.1).</summary>
    public TimeSpan? DirtyLimitThrottleTimePerRound { get; init; }

    /// <summary>How long a dirty ring takes to fill (8.1).</summary>
    public TimeSpan? DirtyLimitRingFullTime { get; init; }

    /// <summary>Asks a QEMU. Throws what <see cref="QmpClient.Execute"/> throws.</summary>
    public static QemuMigrationInfo Query(QmpClient client) => Parse(client.Execute("query-migrate"));

    /// <summary>Reads what query-migrate returned; never throws.</summary>
    public static QemuMigrationInfo Parse(JsonElement from) => new()
    {
        StatusText = from.Text("status") is { } status ? QmpErrors.Plain(status) : QemuStatus.NameOf(MigrationStatus.None),
        Ram = QemuRamInfo.Parse(from.Field("ram")),
        TotalTime = from.Milliseconds("total-time"),
        SetupTime = from.Milliseconds("setup-time"),
        ExpectedDowntime = from.Milliseconds("expected-downtime"),
        Downtime = from.Milliseconds("downtime"),
        Remaining = from.Number("remaining"),
        CpuThrottlePercentage = from.Number("cpu-throttle-percentage"),
        ErrorDescription = from.Text("error-desc") is { } words ? QmpErrors.Plain(words) : null,
        BlockedReasons = [.. from.Texts("blocked-reasons").Select(QmpErrors.Plain)],
        XbzrleCache = Xbzrle(from.Field("xbzrle-cache")),
        VfioTransferred = from.Field("vfio").Number("transferred"),
        Postcopy = QemuPostcopyInfo.Parse(from),
        SocketAddresses = [.. from.Field("socket-address").Items().Select(Address).OfType<MigrationUri>()],
        DirtyLimitThrottleTimePerRound = from.Microseconds("dirty-limit-throttle-time-per-round"),
        DirtyLimitRingFullTime = from.Microseconds("dirty-limit-ring-full-time"),
    };

    static XbzrleFigures? Xbzrle(JsonElement from) => from.ValueKind != JsonValueKind.Object ? null : new(
        from.Number("cache-size") ?? 0, from.Number("bytes") ?? 0, from.Number("pages") ?? 0, from.Number("cache-miss") ?? 0,
        from.Real("cache-miss-rate") ?? 0, from.Real("encoding-rate") ?? 0, from.Number("overflow") ?? 0);

    static MigrationUri? Address(JsonElement from)
    {
        var text = from.Text("type") switch
        {
            "inet" when from.Text("host") is { } host && from.Text("port") is { } port =>
                host.Contains(':', StringComparison.Ordinal) ? $"tcp:[{host}]:{port}" : $"tcp:{host}:{port}",
            "unix" when from.Text("path") is { } path => $"unix:{path}",
            _ => null,
        };
        try
        {
            return text is null ? null : MigrationUri.Parse(text);
        }
        catch (MigrationException)
        {
            return null;
        }
    }
}
