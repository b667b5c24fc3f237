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
    static readonly TimeSpan SilencePeriod = TimeSpan.FromMilliseconds(100);
    long _heardBytes;
    long _heardAt;
    long _admitted;
    volatile bool _isUnderWay;
    volatile bool _waitsForRun;
    volatile bool _isDigesting;
    GuestMemory? _memory;
    GuestAnnouncement? _announcement;
    MemoryGuest? _guest;
    bool _hasReturnPath;
    string? _unnamed;
    volatile bool _hasArrived;
    volatile bool _timedOut;

    public IncomingMigration(IConnection connection, IncomingPolicy policy)
    {
        _connection = connection;
        _policy = policy;
        _reader = new WireReader(connection.Input, MigrationSide.Source);
        _back = new WireWriter(connection.Output);
        _ram = new RamLoader(PrepareMemory);
        _silence = new Timer(_ => CheckSilence(), null, SilencePeriod, SilencePeriod);
    }

    /// <summary>Setup until it is known who comes, then Active, Completed or Failed.</summary>
    public MigrationStatus Status { get; private set; } = MigrationStatus.Setup;

    /// <summary>The guest's name, once it is known.</summary>
    public string Name => _announcement?.Name ?? _unnamed ?? "";

    /// <summary>The guest, once it has arrived.</summary>
    public MemoryGuest? Guest => Status == MigrationStatus.Completed ? _guest : null;

    public MigrationException? Error { get; private set; }

    /// <summary>Whether it was only a question about an earlier migration.</summary>
    public bool IsQuestion { get; private set; }

    /// <summary>Whether it is over.</summary>
    public bool IsEnded => Status is MigrationStatus.Completed or MigrationStatus.Failed;

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
            if (!IsQuestion) TakeOver();
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
            if (_admitted > 0) _policy.Room.Leave(_admitted);
            _connection.Dispose();
        }
    }

    GuestMemory PrepareMemory(long total)
    {
        if (_memory is not null) return _memory;
        // A source that announces nothing (a real QEMU) says only here how much there is.
        _unnamed = _policy.NameForUnnamed();
        return NewMemory(total);
    }

    GuestMemory NewMemory(long size)
    {
        Volatile.Write(ref _heardAt, Stopwatch.GetTimestamp());
        _isUnderWay = true;
        Status = MigrationStatus.Active;
        _policy.Room.Enter(size, _policy.IdleTimeout / 2);
        _admitted = size;
        try
        {
            return _memory = new GuestMemory(size);
        }
        catch (MigrationException e)
        {
            throw _reader.Error(e.Id, e.Message);
        }
    }

    /// <summary>Ends a connection that says nothing, or does not come to the point: it would hold its place for ever.</summary>
    void CheckSilence()
    {
        if (_hasArrived || _isDigesting) return;
        var heard = _connection.BytesReceived;
        if (heard != _heardBytes)
        {
            _heardBytes = heard;
            Volatile.Write(ref _heardAt, Stopwatch.GetTimestamp());
        }
        var (silent, allowed) = _isUnderWay
            ? (Stopwatch.GetElapsedTime(Volatile.Read(ref _heardAt)), _waitsForRun ? _policy.RunTimeout : _policy.IdleTimeout)
            : (Elapsed, _policy.FirstWordTimeout);
        if (silent <= allowed) return;
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
        // A link that broke carries no news; a source that is not known to be ours would take SHUT for a fault of this end.
        if (!_hasReturnPath || (!_isOurs && error.Side == MigrationSide.Link)) return;
        try
        {
            if (_isOurs) ReturnPathMessage.Failure(error.Id, error.Message).Send(_back);
            ReturnPathMessage.Shut(1).Send(_back);
        }
        catch (Exception e) when (IsLinkGone(e))
        {
            // The source is gone; it has drawn its own conclusion.
        }
    }

    static bool IsLinkGone(Exception e) => e is MigrationException or ObjectDisposedException or InvalidOperationException;
}
