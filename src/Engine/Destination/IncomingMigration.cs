using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// One incoming migration (process_incoming_migration_co of QEMU), from the first byte to a guest that is here. The stream is hostile
/// until proven otherwise; whatever it holds ends in a typed error, and nothing of it stays.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Run, called once, disposes of what it holds.")]
sealed partial class IncomingMigration
{
    readonly IncomingPolicy _policy;
    readonly IncomingLink _link;
    readonly IncomingMemory _memory;
    readonly RamLoader _ram;
    readonly MultifdChannels? _channels;
    readonly SilenceWatch _silence;
    readonly long _start = Stopwatch.GetTimestamp();
    Arrival? _arrival;
    long _lostPages;
    MigrationException? _evicted;

    /// <param name="connection">The main channel.</param>
    /// <param name="policy">What is accepted.</param>
    /// <param name="channels">Its multifd channels, should it have some; null where there can't be any.</param>
    public IncomingMigration(IConnection connection, IncomingPolicy policy, MultifdChannels? channels = null)
    {
        _policy = policy;
        _link = new IncomingLink(connection);
        _memory = new IncomingMemory(policy);
        _ram = new RamLoader(blocks => _arrival!.Prepare(blocks));
        _ram.Channels = _channels = channels;
        _silence = new SilenceWatch(() => ReceivedBytes, Cut, policy.FirstWordTimeout);
        channels?.Begin(() => _ram.Ram, _memory.Hold);
    }

    /// <summary>
    /// Setup until it is known who comes, then Active, in postcopy PostcopyActive, PostcopyPaused and PostcopyRecover too, and at the end
    /// Completed or Failed.
    /// </summary>
    public MigrationStatus Status { get; private set; } = MigrationStatus.Setup;

    /// <summary>
    /// Whether it has come to a guest: one that is on its way, or as a question one whose migration it knows. Until then it may be anybody's.
    /// Any thread may ask.
    /// </summary>
    public bool IsKnown => Status != MigrationStatus.Setup || _hasJoined;

    /// <summary>The guest's name, once it is known.</summary>
    public string Name => _arrival?.Name ?? "";

    /// <summary>The machine type, once the stream has named it.</summary>
    public string MachineType => _configuration?.Machine ?? "";

    /// <summary>The guest, once it has arrived: in postcopy before its memory.</summary>
    public MemoryGuest? Guest => _arrival is { HasArrived: true } arrival ? arrival.Guest : null;

    public MigrationException? Error { get; private set; }

    /// <summary>Whether it is over.</summary>
    public bool IsEnded => Status is MigrationStatus.Completed or MigrationStatus.Failed;

    public string Peer => _link.Connection.Peer;

    public long TotalBytes => _memory.Length;

    public long ReceivedBytes => _link.BytesReceived + (_channels?.BytesReceived ?? 0);

    public long NormalPages => _ram.NormalPages + (_channels?.NormalPages ?? 0);

    public long ZeroPages => _ram.ZeroPages + (_channels?.ZeroPages ?? 0);

    /// <summary>Since the connection was accepted.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>From the end of RAM to the word that all is here; zero where none is given.</summary>
    public TimeSpan LoadTime => _arrival?.LoadTime ?? TimeSpan.Zero;

    /// <summary>How long the start of the guest took.</summary>
    public TimeSpan StartTime => _arrival?.StartTime ?? TimeSpan.Zero;

    /// <summary>
    /// Breaks it off, unless the guest is here already. A guest of ours that is here without all of its memory is lost, and its source is told.
    /// </summary>
    /// <param name="force">False where none is to be lost: one that came over at the last moment is paused, for another receiver of this process.</param>
    public void Abort(bool force = true)
    {
        // One that waits for RUN can't go over from here on.
        if (_postcopy == PostcopyStep.Listening && _arrival is OurArrival waiting) HandoverLedger.Discard(waiting.Migration);
        if (_postcopy == PostcopyStep.Running && _link.IsOurs)
        {
            if (!force)
            {
                Cut();
                return;
            }
            _brokenOff = "the receiver was stopped";
            BreakOff();
            return;
        }
        _pause.Close();
        Cut();
    }

    /// <summary>Cuts it before it has come to a guest, to make room for others. Any thread.</summary>
    public void Evict(MigrationException reason)
    {
        _evicted = reason;
        Cut();
    }

    /// <summary>Ends it for a reason that the source is still told.</summary>
    void BreakOff()
    {
        _pause.Close();
        _channels?.Abort(LinkErrors.ClosedHere(Peer));
        _link.Connection.EndInput();
    }

    /// <summary>Cuts its connections; a postcopy can be recovered from that.</summary>
    void Cut()
    {
        _channels?.Abort(LinkErrors.ClosedHere(Peer));
        _link.Connection.Abort();
    }

    /// <summary>Reads the stream to its end. Never throws: <see cref="Status"/> and <see cref="Error"/> tell.</summary>
    public void Run()
    {
        try
        {
            ReadStream();
            // A command that fails behind a whole stream has failed all the same.
            if (_link.Connection is IOneWayConnection link) link.Complete(_policy.RunTimeout);
            if (!IsQuestion)
            {
                if (_preemptError is not null) throw _preemptError;
                _arrival!.TakeOver(_ram.Ram!);
            }
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
            EndJoining();
            DropPreempt();
            _channels?.End(hasFailed: Status == MigrationStatus.Failed && !IsQuestion);
            _memory.Leave();
            _link.Connection.Dispose();
        }
    }

    void Begin(Arrival arrival)
    {
        _arrival = arrival;
        arrival.Expecting += silence =>
        {
            _silence.Expect(silence);
            if (Status == MigrationStatus.Setup) Status = MigrationStatus.Active;
        };
    }

    /// <summary>Of a command that gave too little, its own words say more.</summary>
    MigrationException WhyItEnded(MigrationException cut)
    {
        try
        {
            if (_link.Connection is IOneWayConnection link) link.Complete(_policy.RunTimeout);
            return cut;
        }
        catch (MigrationException why)
        {
            return why;
        }
    }

    /// <summary>It ends with a guest that runs here: it is whole after all, or lost.</summary>
    void EndOver(OurArrival over, MigrationException cause)
    {
        var (missing, pages) = (_ram.Ram!.MissingPages, _memory.Length / GuestMemory.PageSize);
        if (missing == 0)
        {
            over.TakeOver(_ram.Ram);
            Status = MigrationStatus.Completed;
            return;
        }
        _lostPages = missing;
        Error = new MigrationException(MigrationErrorId.GuestLost, cause.Side,
            $"Guest {Name} is lost: {missing} of its {pages} pages have not come. {cause.Message}", cause) { Location = GuestLocation.Lost };
        _memory.StayWith(over.Guest!);
        over.Lose(Error, cause.Message);
        Status = MigrationStatus.Failed;
        _link.TellFailure(Error);
    }

    void Fail(Exception e)
    {
        if (_arrival is OurArrival { HasGoneOver: true } over)
        {
            EndOver(over, MigrationException.From(_preemptError ?? e, MigrationSide.Destination, "The receiver failed"));
            return;
        }
        if (_arrival?.HasArrived == true)
        {
            // The guest is here; what broke afterwards is for the source to settle.
            Status = MigrationStatus.Completed;
            return;
        }
        _arrival?.GiveUp();
        Error = e switch
        {
            _ when _evicted is not null => _evicted,
            _ when _silence.HasCut => new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Source, "The source fell silent.", e),
            // What a channel failed of is why the main channel was cut.
            _ when (_preemptError ?? _channels?.Error) is { } error => error,
            MigrationException { Id: MigrationErrorId.UnexpectedEnd } cut => WhyItEnded(cut),
            _ => MigrationException.From(e, MigrationSide.Destination, "The receiver failed"),
        };
        IsQuestion |= _link.IsOurs && _arrival is null && Error.Id is MigrationErrorId.UnexpectedEnd or MigrationErrorId.ConnectionLost;
        // Its source has let go of the guest, and holds pages of it that are nowhere else.
        if (_postcopy == PostcopyStep.Running) Error.Location = GuestLocation.InDoubt;
        Status = MigrationStatus.Failed;
        if (_arrival?.Guest is not { } guest) _memory.Release();
        else if (guest.State != GuestState.Removed) GuestRegistry.Remove(guest);
        // What became of this connection is no news of the migration that it asked after: its source would take it for the end of the guest.
        if (!IsQuestion) _link.TellFailure(Error);
    }
}
