namespace PsMigrate.Engine.Model;

/// <summary>Who counted what the guest wrote.</summary>
public enum TraceSource
{
    /// <summary>This process, by the guest's dirty log, region by region.</summary>
    Memory,

    /// <summary>A QEMU, which tells one number a pass.</summary>
    Qemu,
}

/// <summary>
/// What a guest wrote while it was migrated, and how the migration went: enough to go through it once more in virtual time, under other
/// policies and limits. Immutable; kept in files of JSON (docs/files.md).
/// </summary>
public sealed record MigrationTrace
{
    /// <summary>Most passes that are kept; those that come later are not in it (<see cref="IsCut"/>).</summary>
    public const int MostPasses = 2000;

    /// <summary>Most regions that memory is told in.</summary>
    public const int MostRegions = 128;

    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>Who counted.</summary>
    public TraceSource Source { get; init; }

    /// <summary>When the migration ended, or when this was taken, UTC.</summary>
    public DateTime Timestamp { get; init; } = WallClock.Now;

    /// <summary>Memory of the guest, bytes.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>How many vCPUs it has; 0 where that is not known.</summary>
    public int Processors { get; init; }

    /// <summary>Pages of each region, block behind block; the last one may have fewer.</summary>
    public required long RegionPages { get; init; }

    /// <summary>Of each region the pages that might hold something when the migration began: what was never written is not sent.</summary>
    public required long[] UsedPages { get; init; }

    /// <summary>Of each region the vCPU that alone writes to it; -1 where that is none or not known.</summary>
    public int[] Owners { get; init; } = [];

    /// <summary>What was asked for, as it stood at the end; of what a file keeps, docs/files.md tells. The policy is always named.</summary>
    public required MigrationParameters Parameters { get; init; }

    /// <summary>From the start to the first page.</summary>
    public TimeSpan SetupTime { get; init; }

    /// <summary>How long the destination took for its first answers: there and back, or a little more. Zero where that is not known.</summary>
    public TimeSpan RoundTrip { get; init; }

    /// <summary>The passes that ended, in their order; without the last pages, which went while the guest stood.</summary>
    public required TracePass[] Passes { get; init; }

    /// <summary>Whether there were more passes than are kept.</summary>
    public bool IsCut { get; init; }

    /// <summary>What was decided.</summary>
    public MigrationDecision[] Decisions { get; init; } = [];

    /// <summary>How it ended.</summary>
    public required TraceOutcome Outcome { get; init; }

    /// <summary>Memory that might hold something when it began, bytes.</summary>
    public long UsedBytes => UsedPages.Sum() * PageSize;

    /// <summary>Of a migration, also of one that still runs; null where none was asked for (RecordTrace).</summary>
    public static MigrationTrace? Of(MigrationState state) => TraceBuilder.Of(state);

    /// <summary>From its JSON. Throws <see cref="MigrationErrorId.InvalidTrace"/>, and says what is wrong in which place.</summary>
    public static MigrationTrace FromJson(string json) => TraceReader.Read(json);

    /// <summary>As JSON.</summary>
    public string ToJson() => TraceWriter.Write(this);

    /// <summary>Reads a file. Throws InvalidTrace, FileFailed.</summary>
    public static MigrationTrace Load(string path) => TraceReader.Load(path);

    /// <summary>Writes a file. Throws FileFailed.</summary>
    public void Save(string path) => TraceWriter.Save(this, path);

    internal const int PageSize = 4096;

    /// <summary>How many pages a region has.</summary>
    internal long PagesOf(int region) => Math.Min(RegionPages, (TotalBytes / PageSize) - (region * RegionPages));

    /// <summary>One line.</summary>
    public override string ToString() => $"{Name}: {Passes.Length} passes, {Outcome}";

    internal static MigrationException Invalid(string place, string message) =>
        new(MigrationErrorId.InvalidTrace, MigrationSide.User, $"The trace can't be used: {place}: {message}");
}
