using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>
/// Connections that have come to a guest, while others are cut to make room, all from one address: a running migration, its channels, its
/// preempt channel and its recovery are never among those that are cut.
/// </summary>
public sealed class HeldConnectionTests : IDisposable
{
    const int Places = 6;

    readonly MigrationReceiver _receiver;
    readonly GuestOptions _options = TestGuests.Options(GuestWorkload.Random, 8 * TestGuests.MiB) with { WriteSize = 64, WorkingSet = TestGuests.MiB / 2 };
    readonly List<IDisposable> _owned = [];

    public HeldConnectionTests()
    {
        _receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = TestGuests.UniqueName("there"), MaxConnections = Places, FirstWordTimeout = TimeSpan.FromHours(1), IdleTimeout = TimeSpan.FromHours(1),
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void A_migration_under_way_and_its_channels(int channels)
    {
        var migration = Migration.Start(TestGuests.Create(_options), _receiver.Uri,
            new MigrationParameters { Verify = true, Channels = channels, MaxBandwidth = 256 << 10 });
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.Active, NormalPages: > 0 }], "the migration");
        Press();
        Assert.Equal(MigrationStatus.Active, migration.Status);
        migration.SetLimits(new MigrationLimits { MaxBandwidth = 0 });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.Verified, migration.Result.ToString());
        Reference.AssertIntact(_options, Assert.Single(TestGuests.On(_receiver.HostName)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_postcopy_with_its_recovery_and_its_preempt_channel(bool preempt)
    {
        var migration = Migration.Start(TestGuests.Create(_options), _receiver.Uri, new MigrationParameters
        {
            Postcopy = true, Mode = MigrationMode.Postcopy, Peer = PeerKind.PsMigrate, PostcopyPreempt = preempt, MaxPostcopyBandwidth = 64 << 10,
        });
        AwaitPostcopy(migration);
        Press();
        Assert.Equal(MigrationStatus.PostcopyActive, migration.Status);
        migration.Pause();
        migration.Recover();
        AwaitPostcopy(migration);
        Press();
        // Neither the recovery nor its preempt channel was cut, or it would be paused.
        Assert.Equal(MigrationStatus.PostcopyActive, migration.Status);
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        Assert.True(migration.Wait(Patience.Limit), $"It hangs: {migration.Status}.");
        Assert.Equal(MigrationStatus.Completed, migration.Result!.State);
        Reference.AssertIntact(_options, Assert.Single(TestGuests.On(_receiver.HostName)));
    }

    [Fact]
    public void A_QEMUs_silent_preempt_channel()
    {
        var main = Connect();
        Send(main, new ForeignStream().Header().ReturnPath().Advise().Start());
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the list of blocks");
        var preempt = Connect();
        Press();
        Send(preempt, Eos());
        // The word reaches the migration, so that it is closed in order.
        Assert.True(Patience.Within(() => IsAtEnd(preempt), "the end of the preempt channel"));
        Assert.Equal(1, _receiver.ActiveCount);
        Assert.All(_receiver.Arrivals, arrival => Assert.Contains("made room", arrival.Error!.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_QEMUs_recovery()
    {
        var main = Connect();
        Send(main, new ForeignStream().Header().ReturnPath().Advise().Start().Pages()
            .Command(CommandType.PostcopyRamDiscard, [0, 6, .. "pc.ram"u8, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x30, 0])
            .Package(package => package.Command(CommandType.PostcopyListen).Device("timer", 0, new byte[8]).Command(CommandType.PostcopyRun)));
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyActive }], "the postcopy");
        main.Abort();
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause");
        var recovery = Connect();
        Send(recovery, new ForeignStream().Command(CommandType.ReceiveBitmap, [6, .. "pc.ram"u8]).Command(CommandType.PostcopyResume));
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyActive }], "the recovery");
        Press();
        Assert.Equal(MigrationStatus.PostcopyActive, Assert.Single(_receiver.GetState().Incoming).State);
        var rest = new ForeignStream();
        rest.Ram(RecordType.SectionPart, () =>
        {
            for (var page = 2; page < 5; page++) rest.Page("pc.ram", page, ForeignStream.Content("pc.ram", page));
        }).End().Eof();
        Send(recovery, rest);
        Patience.Until(() => _receiver.ArrivedCount == 1, "the arrival");
        var arrived = Assert.Single(TestGuests.On(_receiver.HostName));
        for (var page = 0; page < 16; page++) Assert.Equal(ForeignStream.Content("pc.ram", page), arrived.Memory.Ram.Page(page));
    }

    public void Dispose()
    {
        _receiver.Stop(force: true);
        _owned.ForEach(one => one.Dispose());
        TestGuests.RemoveAll(_options.Host, _receiver.HostName);
    }

    /// <summary>Comes with so many that each place has changed hands; those that are held are the oldest.</summary>
    void Press()
    {
        // Silent ones could be somebody's preempt channel; these begin to be multifd channels.
        var crowd = new Crowd(_receiver, 2 * Places, [0x11, 0x22, 0x33, 0x44]);
        _owned.Add(crowd);
        Patience.Until(() => crowd.Cut >= Places, "those that make room");
    }

    void AwaitPostcopy(Migration migration) => Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive
        && _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyActive }], "the postcopy");

    IConnection Connect()
    {
        var link = Connector.Connect(_receiver.Uri, Patience.Limit, default);
        _owned.Add(link);
        return link;
    }

    static ForeignStream Eos()
    {
        var stream = new ForeignStream();
        stream.Wire.UInt64(RamFlags.Eos);
        stream.Wire.Flush();
        return stream;
    }

    static void Send(IConnection link, ForeignStream stream)
    {
        var wire = new WireWriter(link.Output);
        wire.Bytes(stream.Bytes);
        wire.Flush();
    }

    static bool IsAtEnd(IConnection link)
    {
        var read = link.Input.ReadAsync().AsTask().GetAwaiter().GetResult();
        return read.IsCompleted && read.Buffer.IsEmpty;
    }
}
