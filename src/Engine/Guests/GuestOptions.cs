using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>What a new in-memory guest is to be. Sizes in bytes, rates in bytes of dirtied pages per second.</summary>
public sealed record GuestOptions
{
    /// <summary>1 to 64 characters, no control and no wildcard characters.</summary>
    public required string Name { get; init; }

    /// <summary>RAM, a multiple of 4096.</summary>
    public required long MemorySize { get; init; }

    /// <summary>vCPUs, 1 to 64.</summary>
    public int ProcessorCount { get; init; } = 1;

    /// <summary>What the vCPUs do.</summary>
    public GuestWorkload Workload { get; init; } = GuestWorkload.Idle;

    /// <summary>How many bytes of pages are dirtied per second, all vCPUs together; 0 is as fast as they can.</summary>
    public long DirtyRate { get; init; } = 50L << 20;

    /// <summary>How much of the RAM, from its start, the program writes; 0 is all of it.</summary>
    public long WorkingSet { get; init; }

    /// <summary>Bytes of one write, 8 to 4096, a multiple of 8.</summary>
    public int WriteSize { get; init; } = 8;

    /// <summary>What the memory holds at first, and what is written.</summary>
    public GuestContent Content { get; init; } = GuestContent.Zero;

    /// <summary>How much of the RAM is filled with <see cref="Content"/>, from its start; 0 is all of it.</summary>
    public long ContentSize { get; init; }

    /// <summary>The same seed makes the same guest.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The host it lives on; names are unique per host.</summary>
    public string Host { get; init; } = GuestRegistry.DefaultHost;

    /// <summary>Whether it starts at once.</summary>
    public bool StartSuspended { get; init; }

    /// <summary>Throws a typed error for anything that can't be.</summary>
    public GuestOptions Validate()
    {
        CheckName(Name);
        CheckName(Host, "host");
        CheckPages(MemorySize, nameof(MemorySize), GuestMemory.MaxLength, allowZero: false);
        CheckPages(WorkingSet, nameof(WorkingSet), MemorySize, allowZero: true);
        CheckPages(ContentSize, nameof(ContentSize), MemorySize, allowZero: true);
        if (ProcessorCount is < 1 or > 64)
            throw MigrationException.Invalid($"ProcessorCount must be 1 to 64, and is {ProcessorCount}.");
        if (DirtyRate < 0)
            throw MigrationException.Invalid($"DirtyRate can't be negative, and is {DirtyRate}.");
        if (WriteSize is < 8 or > GuestMemory.PageSize || WriteSize % 8 != 0)
            throw MigrationException.Invalid($"WriteSize must be a multiple of 8 from 8 to 4096, and is {WriteSize}.");
        if (WorkingPages < ProcessorCount)
            throw MigrationException.Invalid($"A working set of {WorkingPages} pages can't be shared by {ProcessorCount} vCPUs.");
        return this;
    }

    internal long WorkingPages => (WorkingSet == 0 ? MemorySize : WorkingSet) / GuestMemory.PageSize;

    internal static void CheckName(string name, string whose = "guest")
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > 64
            || name.Any(c => char.IsControl(c) || c is '*' or '?' or '[' or ']' or '`'))
            throw new MigrationException(MigrationErrorId.InvalidGuestName, MigrationSide.User,
                $"The name of a {whose} has 1 to 64 characters, without control and wildcard characters (* ? [ ] `).");
    }

    static void CheckPages(long value, string name, long most, bool allowZero)
    {
        if (value == 0 && allowZero) return;
        if (value <= 0 || value % GuestMemory.PageSize != 0)
            throw new MigrationException(MigrationErrorId.InvalidSize, MigrationSide.User,
                $"{name} must be a positive multiple of {GuestMemory.PageSize} bytes, and is {value}.");
        if (value > most)
            throw new MigrationException(MigrationErrorId.InvalidSize, MigrationSide.User,
                $"{name} can be at most {most} bytes, and is {value}.");
    }

    /// <summary>The share and the rate of each vCPU.</summary>
    internal IEnumerable<GuestProgram> Programs()
    {
        var ticksPerSecond = (double)DirtyRate / GuestMemory.PageSize / ProcessorCount;
        for (long cpu = 0; cpu < ProcessorCount; cpu++)
        {
            var first = WorkingPages * cpu / ProcessorCount;
            var next = WorkingPages * (cpu + 1) / ProcessorCount;
            yield return new GuestProgram(Workload, Content, first, next - first, WriteSize, ticksPerSecond);
        }
    }
}
