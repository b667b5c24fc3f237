using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// A source of ours in postcopy that does each step when the test says so, in front of a real receiving end. Its guest stands; the one that
/// arrives goes on from there.
/// </summary>
sealed class PostcopySource : IDisposable
{
    readonly List<Thread> _threads = [];
    readonly List<ScriptedLink> _links = [];
    StreamBuilder? _builder;

    public PostcopySource(GuestWorkload workload = GuestWorkload.HotSpot, int pages = 256, IncomingPolicy? policy = null)
    {
        Options = TestGuests.Options(workload, pages * (long)GuestMemory.PageSize, rate: 4 * TestGuests.MiB);
        Guest = MemoryGuest.Create(Options);
        Guest.StopAtTick(50);
        Guest.Resume();
        if (workload != GuestWorkload.Idle) TestGuests.WaitForTick(Guest, 50);
        Guest.Suspend();
        Guest.StopAtTick(null);
        Policy = (policy ?? Incoming.Policy()) with { RecoverTimeout = policy?.RecoverTimeout ?? Patience.Limit };
        (Arrival, Main) = Connect();
    }

    public GuestOptions Options { get; }

    public MemoryGuest Guest { get; }

    public IncomingPolicy Policy { get; }

    public Guid Migration { get; } = Guid.NewGuid();

    public IncomingMigration Arrival { get; }

    /// <summary>The main channel; after a recovery the one that took its place.</summary>
    public ScriptedLink Main { get; private set; }

    public long Pages => Guest.Memory.Ram.Pages;

    public MemoryGuest Arrived => Assert.Single(TestGuests.On(Policy.HostName));

    public StreamBuilder Stream => _builder ??= new StreamBuilder(Guest, Main.Output, Migration);

    /// <summary>A further connection, with a receiving end of its own, as a receiver serves it.</summary>
    public (IncomingMigration Incoming, ScriptedLink Link) Connect(IncomingPolicy? policy = null)
    {
        var (source, destination) = LocalLink.Create("scripted");
        var incoming = new IncomingMigration(destination, policy ?? Policy);
        var thread = new Thread(incoming.Run) { IsBackground = true, Name = $"incoming {Guest.Name}" };
        thread.Start();
        var link = new ScriptedLink(source);
        lock (_links)
        {
            _threads.Add(thread);
            _links.Add(link);
        }
        return (incoming, link);
    }

    /// <summary>Up to and with the list of blocks; advised.</summary>
    public PostcopySource Setup()
    {
        Stream.UpTo(StreamStep.Announcement).Advise().UpTo(StreamStep.RamStart);
        Main.Expect(ReturnPathType.Accepted);
        return this;
    }

    /// <summary>Pages as they are, in a PART.</summary>
    public PostcopySource Send(params IEnumerable<long> pages)
    {
        Stream.Ram(RecordType.SectionPart, () =>
        {
            foreach (var page in pages) Stream.Raw(page, Guest.Memory.Ram.Page(page));
        });
        Stream.Wire.Flush();
        return this;
    }

    /// <summary>The package, whatever was sent before it.</summary>
    public PostcopySource Package()
    {
        CommandRecord.Write(Stream.Wire, CommandType.SwitchoverStart);
        Stream.Package();
        Stream.Wire.Flush();
        return this;
    }

    /// <summary>READY, RUN, RUNNING.</summary>
    public PostcopySource Run()
    {
        Assert.Equal(16, Main.Expect(ReturnPathType.Ready).Payload.Length);
        CommandRecord.Write(Stream.Wire, CommandType.Run);
        Stream.Wire.Flush();
        Main.Expect(ReturnPathType.Running);
        return this;
    }

    /// <summary>All at once: nothing of the memory is there, and the guest runs.</summary>
    public PostcopySource GoOver() => Setup().Package().Run();

    /// <summary>Answers every request until so many were answered.</summary>
    public List<long> Answer(int count)
    {
        var answered = new List<long>();
        Patience.Until(() =>
        {
            if (Main.TryTakeRequest() is >= 0 and var page)
            {
                answered.Add(page);
                Send(page);
            }
            return answered.Count >= count;
        }, $"{count} requests, of which {answered.Count} came");
        return answered;
    }

    /// <summary>Every page that the other end does not have, as it says.</summary>
    public PostcopySource SendMissing(ulong[] received) =>
        Send(Enumerable.Range(0, (int)Pages).Select(page => (long)page).Where(page => (received[page >> 6] >> (int)(page & 63) & 1) == 0));

    public PostcopySource SendAll() => Send(Enumerable.Range(0, (int)Pages).Select(page => (long)page));

    public PostcopySource End()
    {
        Stream.Ram(RecordType.SectionEnd, () => { });
        Stream.Wire.Byte((byte)RecordType.Eof);
        Stream.Wire.Flush();
        return this;
    }

    /// <summary>The end as it should be: figures, SHUT 0, the guest whole and like one that stayed.</summary>
    public PostcopyFigures AssertArrived()
    {
        var figures = PostcopyFiguresMessage.Read(Main.Expect(ReturnPathType.PostcopyFigures));
        Assert.Equal(0U, Main.Expect(ReturnPathType.Shut).Value);
        AwaitEnd();
        Assert.True(Arrival.Error is null, $"{Arrival.Error}");
        Assert.Equal(MigrationStatus.Completed, Arrival.Status);
        var arrived = Arrived;
        Assert.False(arrived.IsBusy);
        Assert.Equal(1, arrived.MigrationCount);
        Assert.Equal(GuestState.Running, arrived.State);
        if (Options.Workload != GuestWorkload.Idle) TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(Options, arrived);
        return figures;
    }

    public void AwaitEnd() => Patience.Until(() => Arrival.IsEnded, "the end");

    /// <summary>Cuts the main channel and waits until the receiving end has noticed.</summary>
    public PostcopySource Break()
    {
        Main.Abort();
        Patience.Until(() => Arrival.IsPaused || Arrival.IsEnded, "the pause");
        return this;
    }

    /// <summary>A connection that joins as the main channel, and takes its place when it may.</summary>
    public HandoverOutcome Rejoin(IncomingPolicy? policy = null)
    {
        var (_, link) = Connect(policy);
        var outcome = link.Join(Migration, JoinPurpose.Recovery);
        Main = link;
        _builder = new StreamBuilder(Guest, link.Output, Migration);
        return outcome;
    }

    /// <summary>Joins, asks what is there, and goes on.</summary>
    public ulong[] Recover()
    {
        Assert.Equal(HandoverOutcome.Running, Rejoin());
        var received = Main.AskBitmap();
        CommandRecord.Write(Main.Wire, CommandType.PostcopyResume);
        Main.Wire.Flush();
        Assert.Equal(1U, Main.Expect(ReturnPathType.ResumeAck).Value);
        return received;
    }

    /// <summary>The receiving ends of all connections are through.</summary>
    public void JoinThreads()
    {
        lock (_links)
            foreach (var thread in _threads) Assert.True(thread.Join(Patience.Limit), "A receiving end hangs.");
    }

    public void Dispose()
    {
        Arrival.Abort();
        foreach (var link in _links) link.Dispose();
        JoinThreads();
        TestGuests.RemoveAll(Policy.HostName);
        Guest.Remove();
    }
}
