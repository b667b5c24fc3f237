using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>Connections that do not say whose they are: silent ones, RAM records alone, and recoveries.</summary>
public sealed class PostcopyConnectionTests : IDisposable
{
    const int Pages = 16;

    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(1500);

    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), FirstWordTimeout = Short });
    readonly List<IConnection> _links = [];

    [Fact]
    public void A_silent_connection_stays_as_long_as_a_postcopy_may_need_it_and_is_no_failure()
    {
        var main = Advised();
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the list of blocks");
        var silent = Connect();
        var reading = Task.Factory.StartNew(() => IsClosed(silent), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.False(reading.Wait(4 * Short), "It was thrown out.");
        _links[0].Dispose();
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Failed().Id);
        Assert.True(reading.Wait(Patience.Limit), "It was kept after the end.");
        Assert.Equal(1, _receiver.FailedCount);
        Assert.True(main.Wire.Position > 0);
    }

    [Fact]
    public void Silent_connections_that_no_postcopies_can_need_do_not_fill_the_receiver()
    {
        const int Kept = 64;
        Advised();
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the list of blocks");
        IConnection[] silent = [.. Enumerable.Range(0, Kept + 6).Select(_ => Connect())];
        Patience.Until(() => silent.Count(HasEnded) == 6, "the end of those that are too many");
        Thread.Sleep(2 * Short);
        Assert.Equal(6, silent.Count(HasEnded));
        Assert.Equal(1, _receiver.ActiveCount);
    }

    [Fact]
    public void A_silent_connection_that_nothing_explains_does_not_stay()
    {
        // A migration without postcopy is no reason.
        _ = new MultifdMain(Connect().Output, Pages, flushes: false).Header().Setup();
        Patience.Until(() => _receiver.ActiveCount == 1, "the main stream");
        var silent = Connect();
        Assert.True(Patience.Within(() => IsClosed(silent), "the end of it"));
        Assert.Equal(MigrationErrorId.PeerSilent, Failed().Id);
        Assert.Equal(1, _receiver.ActiveCount);
    }

    [Fact]
    public void The_end_of_a_preempt_channel_without_a_page_belongs_to_nobody_and_is_no_failure()
    {
        var link = Connect();
        Send(link, RamFlags.Eos);
        Assert.True(IsClosed(link));
        Assert.Equal(0, _receiver.FailedCount);
    }

    [Fact]
    public void Pages_alone_without_a_postcopy_are_refused()
    {
        var link = Connect();
        Send(link, RamFlags.Zero);
        Assert.True(IsClosed(link));
        Assert.Equal(MigrationErrorId.BadMagic, Failed().Id);
    }

    [Fact]
    public void Pages_that_may_belong_to_two_postcopies_are_refused_and_reach_neither()
    {
        _ = (Advised(), Advised());
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }, { TotalBytes: > 0 }], "both");
        var link = Connect();
        Send(link, RamFlags.Page);
        Assert.True(IsClosed(link));
        Assert.Equal(MigrationErrorId.DestinationRefused, Failed().Id);
        Assert.Equal(2, _receiver.ActiveCount);
    }

    [Fact]
    public void Pages_in_the_preempt_channel_before_the_switchover_end_the_migration()
    {
        Advised();
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the list of blocks");
        Send(Connect(), RamFlags.Zero);
        Assert.Equal(MigrationErrorId.OutOfOrder, Failed().Id);
        Assert.Equal(0, _receiver.ActiveCount);
    }

    [Fact]
    public void A_recovery_of_nothing_is_refused()
    {
        Advised();
        var link = Connect();
        var wire = new WireWriter(link.Output);
        CommandRecord.Write(wire, CommandType.ReceiveBitmap, [3, (byte)'r', (byte)'a', (byte)'m']);
        wire.Flush();
        Assert.True(IsClosed(link));
        Assert.Equal(MigrationErrorId.DestinationRefused, Failed().Id);
        Assert.Equal(1, _receiver.ActiveCount);
    }

    public void Dispose()
    {
        _receiver.Stop();
        _links.ForEach(link => link.Abort());
        Assert.Empty(TestGuests.On(_receiver.HostName));
    }

    /// <summary>A main stream that was advised of postcopy and has listed its blocks.</summary>
    MultifdMain Advised()
    {
        var main = new MultifdMain(Connect().Output, Pages, flushes: false).Header();
        CommandRecord.Write(main.Wire, CommandType.OpenReturnPath);
        Span<byte> advice = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(advice, GuestMemory.PageSize);
        BinaryPrimitives.WriteUInt64BigEndian(advice[8..], GuestMemory.PageSize);
        CommandRecord.Write(main.Wire, CommandType.PostcopyAdvise, advice);
        return main.Setup();
    }

    IConnection Connect()
    {
        var link = Connector.Connect(_receiver.Uri, Patience.Limit, default);
        _links.Add(link);
        return link;
    }

    static void Send(IConnection link, ulong word)
    {
        var wire = new WireWriter(link.Output);
        wire.UInt64(word);
        if (word != RamFlags.Eos) wire.Name(StreamConstants.RamSection);
        wire.Byte(0);
        wire.Flush();
    }

    MigrationException Failed()
    {
        Assert.True(_receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        return arrival.Error!;
    }

    static bool HasEnded(IConnection link)
    {
        try
        {
            return link.Input.TryRead(out var result) && result.IsCompleted;
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            return true;
        }
    }

    static bool IsClosed(IConnection link)
    {
        try
        {
            return link.Input.ReadAsync().AsTask().GetAwaiter().GetResult().IsCompleted;
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            return true;
        }
    }
}
