using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>
/// A real source with channels and the sorter of a real receiver, with links between that a test can tap, hold back and cut. The first
/// connection is the main one.
/// </summary>
sealed class ChannelRig : IDisposable, IArrivalLog
{
    readonly ConnectionSorter _sorter;
    readonly List<(IConnection Source, IConnection Destination)> _links = [];
    readonly List<Thread> _threads = [];
    readonly string _host = TestGuests.UniqueName("there");

    public ChannelRig(int channels, GuestOptions? options = null)
    {
        Options = options ?? TestGuests.Options();
        Guest = TestGuests.Create(Options);
        Parameters = new()
        {
            Channels = channels, Peer = PeerKind.PsMigrate, Verify = true, MaxBandwidth = 100 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(5),
            SettleTimeout = TimeSpan.Zero,
        };
        _sorter = new ConnectionSorter(Incoming.Policy(_host, firstWord: TimeSpan.FromSeconds(6)), this, () => false);
    }

    public GuestOptions Options { get; }

    public MemoryGuest Guest { get; }

    public MigrationParameters Parameters { get; set; }

    /// <summary>Sees what the source sends through the connection of that number.</summary>
    public Func<int, Tap?> TapFor { get; set; } = _ => null;

    /// <summary>What becomes of the other end of each connection; usually it is served.</summary>
    public Action<ChannelRig, int>? Arriving { get; set; }

    public Action<MigrationPhase>? PhaseEntered { get; set; }

    public OutgoingMigration? Outgoing { get; private set; }

    public IReadOnlyList<(IConnection Source, IConnection Destination)> Links => _links;

    /// <summary>What the receiver refused, and what failed there.</summary>
    public List<MigrationException> Refusals { get; } = [];

    public MemoryGuest? Arrived => TestGuests.On(_host).SingleOrDefault();

    public OutgoingMigration Start()
    {
        Outgoing = new OutgoingMigration(0, Guest, "rig", Parameters, Connect) { PhaseEntered = PhaseEntered };
        Outgoing.Start();
        return Outgoing;
    }

    /// <summary>Starts it unless it has been started, and waits until both ends are through.</summary>
    public MigrationResult Finish()
    {
        var outgoing = Outgoing ?? Start();
        Assert.True(outgoing.Wait(Patience.Limit), $"The migration hangs in {outgoing.GetState().Phase}.");
        lock (_threads)
            foreach (var thread in _threads) Assert.True(thread.Join(Patience.Limit), "The receiving end hangs.");
        Assert.False(Guest.IsBusy);
        return outgoing.Result!;
    }

    /// <summary>Has the receiver take the connection of that number.</summary>
    public void Serve(int number)
    {
        var arrived = new ArrivedConnection(_links[number].Destination);
        _sorter.Add(arrived);
        var thread = new Thread(() => _sorter.Serve(arrived)) { IsBackground = true, Name = "incoming rig" };
        lock (_threads) _threads.Add(thread);
        thread.Start();
    }

    public void AssertRunsOnlyThere()
    {
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (Outgoing!.Result!.State, Outgoing.Result.Location));
        Assert.True(Outgoing.Result.Verified);
        var arrived = Arrived;
        Assert.NotNull(arrived);
        Reference.AssertIntact(Options, arrived);
        Assert.Empty(TestGuests.On(Options.Host));
    }

    public void AssertRunsOnlyHere()
    {
        Assert.Null(Arrived);
        Assert.Equal(GuestLocation.Source, Outgoing!.Result!.Location);
        Assert.Equal(GuestState.Running, Guest.State);
        Assert.Null(Guest.Memory.Ram.Log);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(Options, Guest);
    }

    public void Dispose()
    {
        Outgoing?.Cancel(wait: false);
        Outgoing?.Wait(Patience.Limit);
        _sorter.Stop(Patience.Limit);
        foreach (var (source, destination) in _links)
        {
            source.Abort();
            destination.Abort();
        }
        TestGuests.RemoveAll(Options.Host, _host);
    }

    IConnection Connect(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var (source, destination) = LocalLink.Create("rig");
        var number = _links.Count;
        _links.Add((source, destination));
        if (Arriving is null) Serve(number);
        else Arriving(this, number);
        return TapFor(number) is { } tap ? new TapConnection(source, tap) : source;
    }

    void IArrivalLog.Begins(IncomingMigration incoming)
    {
    }

    void IArrivalLog.Ended(IncomingMigration incoming)
    {
        lock (Refusals)
            if (incoming.Error is { } error) Refusals.Add(error);
    }

    void IArrivalLog.Refused(ArrivedConnection arrived, MigrationException error)
    {
        lock (Refusals) Refusals.Add(error);
    }
}
