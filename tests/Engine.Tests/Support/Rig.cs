using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// A real source and a real destination with a link between that a test can tap and cut. Later connections, with which a source
/// asks what became of its guest, go to a destination of their own, or nowhere.
/// </summary>
sealed class Rig : IDisposable
{
    readonly List<Thread> _receivers = [];
    int _connections;

    public Rig(GuestOptions? options = null)
    {
        Options = options ?? TestGuests.Options();
        Guest = TestGuests.Create(Options);
        Policy = Incoming.Policy();
    }

    public GuestOptions Options { get; }

    public MemoryGuest Guest { get; }

    public IncomingPolicy Policy { get; set; }

    /// <summary>Verified unless a test says otherwise, so that the bytes of both ends are compared.</summary>
    public MigrationParameters Parameters { get; set; } = new() { Verify = true, AnswerTimeout = TimeSpan.FromSeconds(20), SettleTimeout = TimeSpan.Zero };

    /// <summary>Makes a link: the end of the source, and that of the destination.</summary>
    public Func<CancellationToken, (IConnection Source, IConnection Destination)> Open { get; set; } = _ => LocalLink.Create("rig");

    public Tap? SourceTap { get; set; }

    public Tap? DestinationTap { get; set; }

    /// <summary>Whether a source that asks again finds nobody.</summary>
    public bool IsGoneAfterwards { get; set; }

    public Action<MigrationPhase>? PhaseEntered { get; set; }

    public IConnection? SourceEnd { get; private set; }

    public IConnection? DestinationEnd { get; private set; }

    public OutgoingMigration? Outgoing { get; private set; }

    public IncomingMigration? Arrival { get; private set; }

    public MemoryGuest? Arrived => TestGuests.On(Policy.HostName).SingleOrDefault();

    public int Connections => _connections;

    public OutgoingMigration Start()
    {
        var outgoing = new OutgoingMigration(0, Guest, "rig", Parameters, Connect) { PhaseEntered = PhaseEntered };
        // Callbacks on its thread may ask for it at once.
        var before = Outgoing;
        Outgoing = outgoing;
        try
        {
            outgoing.Start();
        }
        catch
        {
            Outgoing = before;
            throw;
        }
        return outgoing;
    }

    /// <summary>Starts it unless it has been started, and waits until both ends are through.</summary>
    public MigrationResult Finish()
    {
        var outgoing = Outgoing ?? Start();
        Assert.True(outgoing.Wait(Patience.Limit), $"The migration hangs in {outgoing.GetState().Phase}.");
        lock (_receivers)
            foreach (var receiver in _receivers) Assert.True(receiver.Join(Patience.Limit), "The receiving end hangs.");
        Assert.False(Guest.IsBusy);
        return outgoing.Result!;
    }

    IConnection Connect(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var isFirst = Interlocked.Increment(ref _connections) == 1;
        if (!isFirst && IsGoneAfterwards)
            throw new MigrationException(MigrationErrorId.ConnectionRefused, MigrationSide.Link, "Nobody listens there.");
        var (source, destination) = Open(cancel);
        if (isFirst) (SourceEnd, DestinationEnd) = (source, destination);
        if (isFirst && SourceTap is not null) source = new TapConnection(source, SourceTap);
        if (isFirst && DestinationTap is not null) destination = new TapConnection(destination, DestinationTap);
        var incoming = new IncomingMigration(destination, Policy);
        if (isFirst) Arrival = incoming;
        var receiver = new Thread(incoming.Run) { IsBackground = true, Name = $"incoming rig {Guest.Name}" };
        lock (_receivers) _receivers.Add(receiver);
        receiver.Start();
        return source;
    }

    /// <summary>The guest runs on at the source with its memory intact, and there is none at the destination.</summary>
    public void AssertRunsOnlyHere()
    {
        Assert.Null(Arrived);
        Assert.Equal(GuestState.Running, Guest.State);
        Assert.Same(Guest, Assert.Single(TestGuests.On(Options.Host)));
        Assert.Null(Guest.Memory.Ram.Log);
        Assert.Null(Guest.MovedTo);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(Options, Guest);
    }

    /// <summary>The guest runs on at the destination with its memory intact; at the source nothing of it is left.</summary>
    public MemoryGuest AssertRunsOnlyThere()
    {
        var arrived = Arrived;
        Assert.NotNull(arrived);
        Assert.Equal(GuestState.Running, arrived.State);
        Assert.Equal(Guest.Uuid, arrived.Uuid);
        Assert.Contains(Guest.State, new[] { GuestState.Removed, GuestState.PostMigrate });
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(Options, arrived);
        return arrived;
    }

    public void Dispose()
    {
        Outgoing?.Cancel(wait: false);
        Outgoing?.Wait(Patience.Limit);
        TestGuests.RemoveAll(Options.Host, Policy.HostName);
    }
}
