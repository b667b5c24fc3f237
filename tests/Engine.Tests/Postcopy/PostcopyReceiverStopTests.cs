using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A receiver that is stopped while a guest runs there that is not all there: not without force, and then it says what is lost.</summary>
public sealed class PostcopyReceiverStopTests : IDisposable
{
    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
    readonly MemoryGuest _guest = RecordedStream.SmallGuest(1 << 20);
    readonly Guid _migration = Guid.NewGuid();
    readonly List<ScriptedLink> _links = [];

    public PostcopyReceiverStopTests() => _guest.StopAtTick(null);

    [Fact]
    public void It_refuses_and_all_goes_on()
    {
        var (main, stream) = GoOver();
        var error = Assert.Throws<MigrationException>(() => _receiver.Stop());
        Assert.Equal((MigrationErrorId.InvalidState, MigrationSide.User), (error.Id, error.Side));
        Assert.Contains(_guest.Name, error.Message, StringComparison.Ordinal);
        Assert.Equal(ReceiverStatus.Listening, _receiver.Status);
        Assert.Contains(_receiver, ReceiverRegistry.All);
        stream.Ram(RecordType.SectionPart, () => stream.Run(0, _guest.Memory.Ram.Span(0, 1 << 20)));
        stream.Ram(RecordType.SectionEnd, () => { });
        stream.Wire.Byte((byte)RecordType.Eof);
        stream.Wire.Flush();
        Assert.Equal(0U, main.Expect(ReturnPathType.Shut).Value);
        Assert.True(_receiver.TryTakeArrival(out var arrival, Patience.Limit));
        Assert.Equal(MigrationStatus.Completed, arrival.State);
        Assert.NotNull(arrival.Postcopy);
        Assert.Equal(0, arrival.MissingPages);
        _receiver.Stop();
        Assert.Equal(ReceiverStatus.Stopped, _receiver.Status);
        Assert.Equal(GuestState.Running, Arrived.State);
    }

    [Fact]
    public void By_force_the_guest_is_lost_and_the_source_is_told()
    {
        var (main, _) = GoOver();
        _receiver.Stop(force: true);
        var (id, text) = main.Expect(ReturnPathType.Failure).ReadFailure();
        Assert.Equal(MigrationErrorId.GuestLost, id);
        Assert.Contains("the receiver was stopped", text, StringComparison.Ordinal);
        Assert.Equal(GuestState.Lost, Arrived.State);
        Assert.Equal(MigrationErrorId.GuestLost, Assert.Single(_receiver.Arrivals).Error!.Id);
    }

    [Fact]
    public void By_force_one_that_waits_for_a_recovery_is_lost_too()
    {
        var (main, _) = GoOver();
        main.Abort();
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause");
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(() => _receiver.Stop()).Id);
        _receiver.Stop(force: true);
        Assert.Equal(GuestState.Lost, Arrived.State);
    }

    [Fact]
    public void Dispose_does_not_ask()
    {
        GoOver();
        _receiver.Dispose();
        Assert.Equal(GuestState.Lost, Arrived.State);
    }

    [Fact]
    public void Before_RUN_there_is_nothing_to_lose()
    {
        var (main, _) = Load();
        _receiver.Stop();
        Patience.Until(() => main.IsEnded, "the end of the link");
        Assert.Empty(TestGuests.On(_receiver.HostName));
    }

    [Fact]
    public void Its_state_tells_of_it_and_a_connection_that_joined_is_none_of_its_own()
    {
        var (main, _) = GoOver();
        var incoming = Assert.Single(_receiver.GetState().Incoming);
        Assert.Equal((MigrationStatus.PostcopyActive, _guest.Name, 256L), (incoming.State, incoming.Name, incoming.MissingPages));
        Assert.Same(Arrived, incoming.Guest);
        Assert.Equal(GuestState.Running, incoming.GuestState);
        Patience.Until(() => _receiver.GetState().Incoming is [{ Postcopy.Faults: > 0 }], "a fault");
        main.Abort();
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause");
        var link = Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(_migration, JoinPurpose.Recovery));
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyRecover }], "the recovery");
        Assert.Equal((1, 1), (_receiver.ActiveCount, _receiver.PostcopyCount));
        var received = link.AskBitmap();
        Assert.All(received, word => Assert.Equal(0UL, word));
        var preempt = Connect();
        Assert.Equal(HandoverOutcome.Running, preempt.Join(_migration, JoinPurpose.Preempt));
        CommandRecord.Write(link.Wire, CommandType.PostcopyResume);
        link.Wire.Flush();
        link.Expect(ReturnPathType.ResumeAck);
        Assert.Equal((1, 0), (_receiver.ActiveCount, _receiver.FailedCount));
        var urgent = new StreamBuilder(_guest, preempt.Output, _migration);
        urgent.Run(0, _guest.Memory.Ram.Span(0, 1 << 20));
        urgent.Wire.Flush();
        preempt.Close();
        var rest = new StreamBuilder(_guest, link.Output, _migration);
        rest.Ram(RecordType.SectionEnd, () => { });
        rest.Wire.Byte((byte)RecordType.Eof);
        rest.Wire.Flush();
        Assert.Equal(0U, link.Expect(ReturnPathType.Shut).Value);
        Assert.True(_receiver.TryTakeArrival(out var arrival, Patience.Limit));
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        link.Close();
        Patience.Until(() => _receiver.ActiveCount == 0, "the end of all connections");
        Assert.Equal((1, 0), (_receiver.ArrivedCount, _receiver.FailedCount));
    }

    [Fact]
    public void A_stranger_from_the_same_address_reaches_no_postcopy_of_ours()
    {
        var (main, stream) = GoOver();
        main.Abort();
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause");
        // As a QEMU recovers, and as the preempt channel of one.
        var recovery = Connect();
        CommandRecord.Write(recovery.Wire, CommandType.PostcopyResume);
        recovery.Wire.Flush();
        Assert.True(_receiver.TryTakeArrival(out var refused, Patience.Limit));
        Assert.Equal(MigrationErrorId.DestinationRefused, refused.Error!.Id);
        var pages = Connect();
        new StreamBuilder(_guest, pages.Output, _migration).Zero(3);
        pages.Wire.Flush();
        Assert.True(_receiver.TryTakeArrival(out refused, Patience.Limit));
        Assert.Equal(MigrationErrorId.BadMagic, refused.Error!.Id);
        Assert.Equal(256, Assert.Single(_receiver.GetState().Incoming).MissingPages);
        Assert.True(stream.Wire.Position > 0);
    }

    public void Dispose()
    {
        _receiver.Dispose();
        _links.ForEach(link => link.Dispose());
        TestGuests.RemoveAll(_receiver.HostName);
        _guest.Remove();
    }

    MemoryGuest Arrived => Assert.Single(TestGuests.On(_receiver.HostName));

    ScriptedLink Connect()
    {
        var link = new ScriptedLink(Connector.Connect(_receiver.Uri, Patience.Limit, default));
        _links.Add(link);
        return link;
    }

    (ScriptedLink Main, StreamBuilder Stream) Load()
    {
        var main = Connect();
        var stream = new StreamBuilder(_guest, main.Output, _migration);
        stream.UpTo(StreamStep.Announcement).Advise().UpTo(StreamStep.RamStart).Package();
        stream.Wire.Flush();
        main.Expect(ReturnPathType.Ready);
        return (main, stream);
    }

    (ScriptedLink Main, StreamBuilder Stream) GoOver()
    {
        var (main, stream) = Load();
        CommandRecord.Write(stream.Wire, CommandType.Run);
        stream.Wire.Flush();
        main.Expect(ReturnPathType.Running);
        Patience.Until(() => _receiver.PostcopyCount == 1, "the postcopy");
        return (main, stream);
    }
}
