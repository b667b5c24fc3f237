using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>
/// Reads a guest from a file or from the output of a command: one that this module wrote, or the machine of a QEMU, which becomes a
/// captured guest. A stream that is damaged leaves nothing.
/// </summary>
public sealed class GuestRestore : GuestFileOperation
{
    // A command that has given its last byte has this long to end.
    static readonly TimeSpan CommandEnd = TimeSpan.FromSeconds(60);

    readonly MigrationUri _origin;
    readonly RestoreOptions _options;
    readonly Lock _lock = new();
    volatile IncomingMigration? _incoming;
    bool _isTaken;
    long _length;

    GuestRestore(MigrationUri origin, RestoreOptions options)
    {
        (_origin, _options) = (origin, options);
        Begin($"restore {origin}");
    }

    /// <summary>Begins. Throws UnsupportedUri, InvalidGuestName, DuplicateGuestName; then nothing has changed.</summary>
    public static GuestRestore Start(MigrationUri origin, RestoreOptions options)
    {
        if (origin.Kind is not (MigrationUriKind.File or MigrationUriKind.Exec))
            throw new MigrationException(MigrationErrorId.UnsupportedUri, MigrationSide.User,
                $"A guest is restored from file: or exec:, not from {origin}; Start-MigrationReceiver takes guests in that are sent.");
        options.Validate();
        if (options.Name is { } name) GuestRegistry.CheckFree(options.HostName, name);
        return new GuestRestore(origin, options);
    }

    /// <summary>Bytes of the file, or of RAM where it comes from a command.</summary>
    public override long TotalBytes => Volatile.Read(ref _length) is > 0 and var length ? length : _incoming?.TotalBytes ?? 0;

    /// <inheritdoc/>
    public override long DoneBytes => _incoming?.ReceivedBytes ?? 0;

    /// <summary>The guest; null unless it is here. Whoever asks has it: it stays when this is disposed of.</summary>
    public MemoryGuest? TakeGuest()
    {
        if (!IsEnded || _incoming?.Guest is not { } guest) return null;
        _isTaken = true;
        return guest;
    }

    private protected override void Run()
    {
        if (IsCancelled) return;
        IConnection connection = _origin.Kind == MigrationUriKind.Exec ? CommandConnection.ReadFrom(_origin) : FileOrigin.Open(_origin);
        Volatile.Write(ref _length, (connection as FileOrigin)?.Length ?? 0);
        var policy = new IncomingPolicy(
            _options.HostName, new Admission(1, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes), ["*"], _options.StartSuspended,
            TimeSpan.MaxValue, TimeSpan.MaxValue, CommandEnd) { Name = _options.Name, Unnamed = NameOfFile() };
        var incoming = new IncomingMigration(connection, policy);
        lock (_lock)
        {
            _incoming = incoming;
            if (IsCancelled) incoming.Abort();
        }
        incoming.Run();
        if (incoming.Error is { } error) throw error;
    }

    private protected override void Abort()
    {
        lock (_lock) _incoming?.Abort();
    }

    private protected override void Leave()
    {
        if (_isTaken || _incoming?.Guest is not { } guest) return;
        _isTaken = true;
        GuestRegistry.Remove(guest);
    }

    /// <summary>What a guest is called whose stream has no name; null where that can't be one.</summary>
    string? NameOfFile()
    {
        if (_origin.Kind != MigrationUriKind.File) return null;
        var name = Path.GetFileNameWithoutExtension(_origin.Path);
        try
        {
            GuestOptions.CheckName(name);
            return name;
        }
        catch (MigrationException)
        {
            return null;
        }
    }
}
