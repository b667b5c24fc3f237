using System.Diagnostics;
using PsMigrate.Engine.Files;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>
/// Writes a guest to a file. A guest that runs is held between two ticks meanwhile, so that the file is the guest at one moment, and
/// runs on when its state is written. The file is there whole or not at all.
/// </summary>
public sealed class GuestSave : GuestFileOperation
{
    readonly MemoryGuest _guest;
    readonly SaveOptions _options;
    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly Lock _lock = new();
    FileTarget? _file;
    volatile GuestWriter? _writer;

    GuestSave(MemoryGuest guest, SaveOptions options)
    {
        (_guest, _options) = (guest, options);
        TotalBytes = guest.MemorySize;
        guest.Claim(this, Guid.NewGuid(), keepsSource: true);
        try
        {
            Begin($"save {guest.Name}");
        }
        catch (OutOfMemoryException)
        {
            guest.Unclaim(this);
            throw;
        }
    }

    /// <summary>Begins. Throws UnsupportedByGuest, GuestBusy, GuestInDoubt, GuestRunsElsewhere; then nothing has changed.</summary>
    public static GuestSave Start(Guest guest, SaveOptions options) => guest is MemoryGuest memory
        ? new GuestSave(memory, options)
        : throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
            $"Guest {guest.Name} lives in a QEMU, which writes its state itself (migrate file:PATH). To write it here, migrate it to a receiver and save the captured guest.");

    /// <inheritdoc/>
    public override long TotalBytes { get; }

    /// <inheritdoc/>
    public override long DoneBytes => _writer is { } writer ? (writer.NormalPages + writer.ZeroPages) * GuestMemory.PageSize : 0;

    /// <summary>What was written; null unless it succeeded.</summary>
    public SavedGuest? Result { get; private set; }

    private protected override void Run()
    {
        try
        {
            if (IsCancelled) return;
            using var file = FileTarget.Create(MigrationUri.ForFile(_options.Path), _options.Overwrite);
            lock (_lock) _file = file;
            if (IsCancelled) return;
            if (_options.Layout == GuestFileLayout.MappedRam && !file.CanSeek)
                throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User,
                    $"The file {_options.Path} can't be written: layout {_options.Layout} needs a plain file.");
            var (digest, held) = Write(file);
            file.Complete(Timeout.InfiniteTimeSpan);
            Result = Describe(digest, held, file);
        }
        finally
        {
            lock (_lock) _file = null;
            _guest.Unclaim(this);
        }
    }

    private protected override void Abort()
    {
        lock (_lock) _file?.Abort();
    }

    /// <summary>The guest stands no longer than until its last byte has been written.</summary>
    (string Digest, TimeSpan Held) Write(FileTarget file)
    {
        _writer = new GuestWriter(_guest, _options.Format, _options.Layout, file);
        var start = Stopwatch.GetTimestamp();
        var runs = _guest.StopForSwitchover();
        try
        {
            _writer.Write(runs);
            return (RamDigest.Compute(_guest.Memory), runs ? Stopwatch.GetElapsedTime(start) : TimeSpan.Zero);
        }
        finally
        {
            _guest.ReturnToSource();
        }
    }

    SavedGuest Describe(string digest, TimeSpan held, FileTarget file) => new()
    {
        Name = _guest.Name,
        Path = Path.GetFullPath(_options.Path),
        Layout = _options.Layout,
        Format = _guest.Kind == GuestKind.Captured ? GuestFileFormat.Qemu : _options.Format,
        MachineType = _guest.MachineType,
        MemorySize = _guest.MemorySize,
        Length = file.Length,
        WrittenBytes = file.BytesSent,
        NormalPages = _writer!.NormalPages,
        ZeroPages = _writer.ZeroPages,
        Digest = digest,
        Duration = _clock.Elapsed,
        HeldTime = held,
        LeftOut = _writer.LeftOut,
        Timestamp = WallClock.Now,
    };
}
