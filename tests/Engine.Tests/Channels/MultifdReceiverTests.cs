using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>Pages through several connections to a receiver, and every way in which that can go wrong.</summary>
public sealed class MultifdReceiverTests : IDisposable
{
    readonly List<string> _hosts = [];
    readonly List<MigrationReceiver> _receivers = [];

    [Theory]
    [InlineData(1, true, true)]
    [InlineData(2, true, false)]
    [InlineData(2, false, true)]
    [InlineData(3, false, false)]
    [InlineData(64, true, true)]
    [InlineData(64, false, true)]
    public void All_pages_of_the_last_pass(int channels, bool flushes, bool areFirst)
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes);
        if (areFirst) source.Connect(Numbers(channels)).Main.Header();
        else
        {
            source.Main.Header();
            source.Connect(Numbers(channels));
        }
        source.SendAll();
        source.AssertArrived(Arrived(receiver));
        Assert.Equal((1, 0, 0), (receiver.ArrivedCount, receiver.FailedCount, receiver.ActiveCount));
    }

    [Fact]
    public void The_guest_does_not_arrive_before_the_slowest_channel()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1).Main.Header();
        source.Sync().Main.Setup();
        source.SendPass(1).Main.Pass();
        source.Channels[0].Sync();
        source.Main.End();
        Assert.False(receiver.TryTakeArrival(out _, TimeSpan.FromMilliseconds(200)), "It did not wait.");
        source.Channels[1].Pages([(5 * GuestMemory.PageSize, source.Content(5, 77))]).Sync();
        var guest = Arrived(receiver);
        Assert.True(guest.Memory.Ram.Page(5).SequenceEqual(source.Content(5, 77)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_channel_that_comes_after_the_first_mark_is_taken(bool flushes)
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes);
        source.Main.Header();
        source.Connect(0).Sync().Main.Setup();
        Patience.Until(() => receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the first mark");
        source.Connect(1).Channels[1].Sync();
        // More than a socket holds: it ends only if the late channel is read.
        for (var i = 0; i < 100; i++) source.Channels[1].Pages([.. Enumerable.Range(0, 128).Select(page => ((long)page * GuestMemory.PageSize, source.Content(page, 0)))]);
        for (var pass = 1; pass <= 2; pass++) source.SendPass(pass).Main.Pass();
        source.Sync().Main.End();
        source.AssertArrived(Arrived(receiver), 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_channel_that_dies_ends_the_migration(int afterMarks)
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Main.Header();
        // Behind the main one, as a source does: else they might be those of another that is gone.
        source.Connect(0, 1);
        if (afterMarks > 0) source.Sync().Main.Setup();
        if (afterMarks > 1) source.SendPass(1).Main.Pass();
        source.Links[2].Dispose();
        source.Channels[0].Sync();
        if (afterMarks == 0) source.Main.Setup();
        else source.Main.Pass();
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Failed(receiver).Id);
        AssertIdle(receiver, source);
    }

    [Fact]
    public void Main_stream_that_dies_takes_its_channels_with_it()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1, 2).Main.Header();
        source.Sync().Main.Setup();
        source.Sync();
        source.Links[^1].Dispose();
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Failed(receiver).Id);
        AssertIdle(receiver, source);
    }

    [Fact]
    public void A_packet_that_can_not_be_ends_the_migration_with_its_reason()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1).Main.Header();
        source.Sync().Main.Setup();
        source.Channels[1].Packet([], [FakeSource.Pages * GuestMemory.PageSize], 0, 0);
        var error = Failed(receiver);
        Assert.Equal((MigrationErrorId.OffsetOutOfRange, MigrationSide.Source), (error.Id, error.Side));
        AssertIdle(receiver, source);
    }

    [Fact]
    public void A_source_is_told_that_its_channel_was_wrong()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Main.Header();
        CommandRecord.Write(source.Main.Wire, CommandType.OpenReturnPath);
        source.Connect(0).Sync().Main.Setup();
        source.Channels[0].Packet([], [FakeSource.Pages * GuestMemory.PageSize], 0, 0);
        var back = new WireReader(source.Links[0].Input, MigrationSide.Destination);
        var answer = Patience.Within(() => ReturnPathMessage.Read(back), "the answer");
        Assert.Equal((ReturnPathType.Shut, 1u), (answer.Type, answer.Value));
        Assert.Equal(MigrationErrorId.OffsetOutOfRange, Failed(receiver).Id);
        AssertIdle(receiver, source);
    }

    [Fact]
    public void Pages_after_the_last_mark_do_not_reach_the_guest()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1).Main.Header();
        source.SendAll();
        var guest = Arrived(receiver);
        try
        {
            source.Channels[0].Pages([(0, source.Content(0, 99))]);
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            // The receiver has closed it.
        }
        AssertIdle(receiver, source);
        source.AssertArrived(guest);
    }

    [Fact]
    public void A_main_stream_that_must_have_channels_does_not_wait_for_ever()
    {
        var receiver = Start(new ReceiverOptions { FirstWordTimeout = TimeSpan.FromSeconds(4) });
        using var none = new FakeSource(receiver, flushes: true);
        none.Main.Header().Setup();
        Assert.Equal(MigrationErrorId.PeerSilent, Failed(receiver).Id);
        using var gap = new FakeSource(receiver, flushes: true);
        gap.Connect(0, 2).Main.Header();
        gap.Sync().Main.Setup();
        Assert.Equal(MigrationErrorId.PeerSilent, Failed(receiver).Id);
        AssertIdle(receiver, gap);
    }

    [Theory]
    [InlineData(1, MigrationErrorId.PeerSilent)]
    [InlineData(3, MigrationErrorId.DestinationRefused)]
    public void Another_number_of_channels_than_was_said(int channels, MigrationErrorId expected)
    {
        var receiver = Start(new ReceiverOptions { Channels = 2, FirstWordTimeout = TimeSpan.FromSeconds(4) });
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(Numbers(channels)).Main.Header();
        source.Sync().Main.Setup();
        Assert.Equal(expected, Failed(receiver).Id);
        AssertIdle(receiver, source);
    }

    [Fact]
    public void Channels_that_no_migration_comes_to_are_closed_after_a_while()
    {
        var receiver = Start(new ReceiverOptions { FirstWordTimeout = TimeSpan.FromSeconds(1) });
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1);
        Assert.Equal(0, receiver.ActiveCount);
        for (var i = 0; i < 2; i++) Assert.Equal(MigrationErrorId.PeerSilent, Failed(receiver).Id);
        AssertIdle(receiver, source);
    }

    [Fact]
    public void Two_migrations_at_one_time_are_told_apart_by_the_uuid_of_the_stream()
    {
        var receiver = Start();
        var (a, b) = (Guid.NewGuid(), Guid.NewGuid());
        using var first = new FakeSource(receiver, flushes: true, a, fill: 0xA);
        using var second = new FakeSource(receiver, flushes: false, b, fill: 0xB);
        first.Connect(0, 1);
        second.Connect(1, 0);
        second.Main.Header(b);
        first.Main.Header(a);
        Patience.Until(() => receiver.ActiveCount == 2, "both main streams");
        second.SendAll();
        first.SendAll();
        for (var i = 0; i < 2; i++)
        {
            var guest = Arrived(receiver);
            (guest.Uuid == a ? first : second).AssertArrived(guest);
            Assert.Contains(guest.Uuid, new[] { a, b });
        }
    }

    [Fact]
    public void Two_migrations_at_one_time_that_nothing_tells_apart_are_refused()
    {
        var receiver = Start();
        using var first = new FakeSource(receiver, flushes: true, fill: 0xA);
        using var second = new FakeSource(receiver, flushes: true, fill: 0xB);
        first.Main.Header();
        second.Main.Header();
        Patience.Until(() => receiver.ActiveCount == 2, "both main streams");
        first.Connect(0, 1).Sync().Main.Setup();
        Assert.Equal(MigrationErrorId.DestinationRefused, Failed(receiver).Id);
        // The channels may have been the other one's; they go to nobody.
        AssertClosed(first.Links[1]);
        AssertClosed(first.Links[2]);
        // Alone it is clear again.
        second.Connect(0, 1).SendAll();
        second.AssertArrived(Arrived(receiver));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void Channels_of_two_guests_are_never_mixed_though_one_has_not_said_a_word(byte number, bool hasOtherUuid)
    {
        var receiver = Start();
        using var first = new FakeSource(receiver, flushes: true);
        using var second = new FakeSource(receiver, flushes: true, hasOtherUuid ? Guid.NewGuid() : default);
        first.Connect(0, 1);
        second.Connect(number);
        first.Main.Header();
        first.Sync().Main.Setup();
        Assert.Equal(MigrationErrorId.DestinationRefused, Failed(receiver).Id);
        AssertClosed(second.Links[0]);
        AssertIdle(receiver, first);
    }

    [Fact]
    public void One_after_the_other_needs_no_uuid()
    {
        var receiver = Start();
        for (byte fill = 1; fill < 4; fill++)
        {
            using var source = new FakeSource(receiver, flushes: fill % 2 == 0, fill: fill);
            source.Main.Header();
            source.Connect(0, 1).SendAll();
            source.AssertArrived(Arrived(receiver));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_receiver_that_stops_leaves_no_channel_behind(bool isAtMark)
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Connect(0, 1).Main.Header();
        if (isAtMark)
        {
            source.Sync().Main.Setup();
            source.Channels[0].Sync();
            source.Main.Pass();
        }
        Patience.Until(() => receiver.ActiveCount == 1, "the main stream");
        Patience.Within(() => { receiver.Stop(); return true; }, "the receiver to stop");
        Assert.Equal(0, receiver.ActiveCount);
        foreach (var link in source.Links) AssertClosed(link);
        Assert.Empty(TestGuests.On(receiver.HostName));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(256)]
    public void Numbers_of_channels_that_can_not_be(int channels) =>
        Assert.Equal(MigrationErrorId.InvalidParameter, Assert.Throws<MigrationException>(() => Start(new ReceiverOptions { Channels = channels })).Id);

    public void Dispose()
    {
        _receivers.ForEach(receiver => receiver.Stop());
        _hosts.ForEach(host => TestGuests.RemoveAll(host));
    }

    MigrationReceiver Start(ReceiverOptions? options = null)
    {
        var receiver = MigrationReceiver.Start((options ?? new ReceiverOptions { FirstWordTimeout = Patience.Limit }) with { HostName = TestGuests.UniqueName("there") });
        _receivers.Add(receiver);
        _hosts.Add(receiver.HostName);
        return receiver;
    }

    static byte[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(number => (byte)(count - 1 - number))];

    static MemoryGuest Arrived(MigrationReceiver receiver)
    {
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        return arrival.Guest!;
    }

    static MigrationException Failed(MigrationReceiver receiver)
    {
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        Assert.Null(arrival.Guest);
        return arrival.Error!;
    }

    static void AssertIdle(MigrationReceiver receiver, FakeSource source)
    {
        foreach (var link in source.Links) AssertClosed(link);
        Assert.Equal(0, receiver.ActiveCount);
    }

    /// <summary>The receiver has let go of it: reading ends, orderly or not, or this end has closed it before.</summary>
    static void AssertClosed(IConnection link) => Patience.Within(() =>
    {
        try
        {
            return link.Input.ReadAsync().AsTask().GetAwaiter().GetResult().IsCompleted;
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            return true;
        }
    }, "the receiver to close a connection");
}
