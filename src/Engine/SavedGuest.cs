using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>How a guest is to be saved.</summary>
public sealed record SaveOptions
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>How RAM lies in it.</summary>
    public GuestFileLayout Layout { get; init; }

    /// <summary>Who can load a guest of ours; a captured one is written as its QEMU sent it.</summary>
    public GuestFileFormat Format { get; init; }

    /// <summary>Whether it takes the place of an old file.</summary>
    public bool Overwrite { get; init; }
}

/// <summary>How a guest is to be restored.</summary>
public sealed record RestoreOptions
{
    /// <summary>Its name here; null is the one in the stream, and for a stream without one that of the file.</summary>
    public string? Name { get; init; }

    /// <summary>The host that it lives on.</summary>
    public string HostName { get; init; } = GuestRegistry.DefaultHost;

    /// <summary>Whether it stays suspended although it ran.</summary>
    public bool StartSuspended { get; init; }

    /// <summary>Throws InvalidGuestName.</summary>
    internal RestoreOptions Validate()
    {
        if (Name is not null) GuestOptions.CheckName(Name);
        GuestOptions.CheckName(HostName, "host");
        return this;
    }
}

/// <summary>A guest in a file. Immutable.</summary>
public sealed record SavedGuest
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>Full path of the file.</summary>
    public required string Path { get; init; }

    /// <summary>How RAM lies in it.</summary>
    public GuestFileLayout Layout { get; init; }

    /// <summary>Who can load it: Qemu for captured guests.</summary>
    public GuestFileFormat Format { get; init; }

    /// <summary>QEMU's machine type.</summary>
    public required string MachineType { get; init; }

    /// <summary>RAM of the guest, bytes.</summary>
    public long MemorySize { get; init; }

    /// <summary>Length of the file, bytes; holes count.</summary>
    public long Length { get; init; }

    /// <summary>Bytes that were written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Pages in the file.</summary>
    public long NormalPages { get; init; }

    /// <summary>Pages that are zero.</summary>
    public long ZeroPages { get; init; }

    /// <summary>Digest of RAM while the guest stood.</summary>
    public required string Digest { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>How long a guest that runs stood still for it; zero for one that stood anyway.</summary>
    public TimeSpan HeldTime { get; init; }

    /// <summary>What the format leaves out.</summary>
    public string[] LeftOut { get; init; } = [];

    /// <summary>When it was complete, UTC.</summary>
    public DateTime Timestamp { get; init; }
}
