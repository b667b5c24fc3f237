using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// One incoming migration (process_incoming_migration_co of QEMU): reads the stream, builds the guest, and starts it on RUN.
/// The stream is hostile until proven otherwise; whatever it holds ends in a typed error, and nothing of it stays.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Run, called once, disposes of what it holds.")]
sealed partial class IncomingMigration
{
    readonly IConnection _connection;
    readonly IncomingPolicy _policy;
    readonly WireReader _reader;
    readonly WireWriter _back;
    readonly RamLoader _ram;
    readonly long _start = Stopwatch.GetTimestamp();
    readonly Timer _silence;
    GuestMemory? _memory;
    GuestAnnouncement? _announcement;
    Guest? _guest;
    bool _hasReturnPath;
    bool _isQuestion;
    bool _hasArrived;
    volatile bool _timedOut;

    public IncomingMigration(IConnection connection, IncomingPolicy policy)
    {
        _connection = connection;
        _policy = policy;
        _reader = new WireReader(connection.Input, MigrationSide.Source);
        _back = new WireWriter(connection.Output);
        _ram = new RamLoader(PrepareMemory);
        _silence = new Timer(_ => GiveUpWaiting(), null, policy.FirstWordTimeout, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Setup until the guest is announced, then Active, Completed or Failed.</summary>
    public MigrationStatus Status { get; private set; } = MigrationStatus.Setup;

    /// <summary>The guest's name, once it is known.</summary>
    public string Name => _announcement?.Name ?? _guest?.Name ?? "";

    /// <summary>The guest, once it has arrived.</summary>
    public Guest? Guest => Status == MigrationStatus.Completed ? _guest : null;

    public MigrationException? Error { get; private set; }

    /// <summary>Whether it was only a question about an earlier migration.</summary>
    public bool IsQuestion => _isQuestion;

    public string Peer => _connection.Peer;

    public long TotalBytes => _memory?.Length ?? 0;

    public long ReceivedBytes => _connection.BytesReceived;

    public long NormalPages => _ram.NormalPages;

    public long ZeroPages => _ram.ZeroPages;

    /// <summary>Since the connection was accepted.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>How long the start of the guest took.</summary>
    public TimeSpan StartTime { get; private set; }

    /// <summary>Breaks it off, unless the guest runs already.</summary>
    public void Abort() => _connection.Abort();

    /// <summary>Reads the stream to its end. Never throws: <see cref="Status"/> and <see cref="Error"/> tell.</summary>
    public void Run()
    {
        try
        {
            ReadStream();
            if (!_isQuestion) TakeOver();
            Status = MigrationStatus.Completed;
        }
#pragma warning disable CA1031 // A receiver outlives whatever a stream does.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Fail(e);
        }
        finally
        {
            _silence.Dispose();
            _connection.Dispose();
        }
    }

    GuestMemory PrepareMemory(long total)
    {
        if (_memory is not null) return _memory;
        // A source that announces nothing (a real QEMU) says only here how much there is.
        _policy.CheckMemory(total);
        StreamIsUnderWay();
        return _memory = NewMemory(total);
    }

    GuestMemory NewMemory(long size)
    {
        try
        {
            return new GuestMemory(size);
        }
        catch (MigrationException e)
        {
            throw _reader.Error(e.Id, e.Message);
        }
    }

    void StreamIsUnderWay()
    {
        _silence.Change(Timeout.Infinite, Timeout.Infinite);
        Status = MigrationStatus.Active;
    }

    void GiveUpWaiting()
    {
        _timedOut = true;
        _connection.Abort();
    }

    void Fail(Exception e)
    {
        if (_hasArrived)
        {
            // The guest runs; what broke afterwards is for the source to settle.
            Status = MigrationStatus.Completed;
            return;
        }
        if (_announcement is { } announced) HandoverLedger.Discard(announced.MigrationUuid);
        Error = e switch
        {
            _ when _timedOut => new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Source, "The source fell silent.", e),
            MigrationException typed => typed,
            _ => new MigrationException(MigrationErrorId.InternalError, MigrationSide.Destination, $"The receiver failed: {e.GetType().Name}: {e.Message}", e),
        };
        Status = MigrationStatus.Failed;
        if (_guest is null) _memory?.Release();
        else if (_guest.State != GuestState.Removed) GuestRegistry.Remove(_guest);
        TellWhy(Error);
    }

    /// <summary>The reason reaches a source of ours; a QEMU only understands that there is one.</summary>
    void TellWhy(MigrationException error)
    {
        if (!_hasReturnPath) return;
        try
        {
            if (_announcement is not null || _isOurs) ReturnPathMessage.Failure(error.Id, error.Message).Send(_back);
            ReturnPathMessage.Shut(1).Send(_back);
        }
        catch (Exception e) when (IsLinkGone(e))
        {
            // The source is gone; it has drawn its own conclusion.
        }
    }

    static bool IsLinkGone(Exception e) => e is MigrationException or ObjectDisposedException or InvalidOperationException;
}
