using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>Connections that say they belong to a migration: who can't know its id gets nowhere, and does no harm.</summary>
public sealed class JoinTests
{
    [Theory]
    [InlineData(JoinPurpose.Recovery)]
    [InlineData(JoinPurpose.Preempt)]
    [InlineData(JoinPurpose.GivenUp)]
    [InlineData(JoinPurpose.WriteRate)]
    public void Of_a_migration_that_nobody_knows_nothing_follows(object purpose)
    {
        using var source = new PostcopySource();
        source.GoOver();
        var guess = source.Migration.ToByteArray();
        for (var at = 0; at < 16; at++)
        {
            guess[at] ^= 1;
            var (incoming, link) = source.Connect();
            Assert.Equal(HandoverOutcome.Unknown, link.Join(new Guid(guess), (JoinPurpose)purpose));
            // Whatever it sends now is refused, and reaches nobody.
            CommandRecord.Write(link.Wire, CommandType.PostcopyResume);
            link.Wire.Flush();
            Patience.Until(() => incoming.IsEnded, "the end of it");
            Assert.True(incoming.IsQuestion);
            Assert.Equal(MigrationErrorId.OutOfOrder, incoming.Error!.Id);
            guess[at] ^= 1;
        }
        Assert.Equal(MigrationStatus.PostcopyActive, source.Arrival.Status);
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void What_a_guest_writes_that_has_arrived_is_told_and_nothing_is_changed_by_the_question()
    {
        using var source = new PostcopySource();
        source.GoOver();
        Assert.Equal(HandoverOutcome.Unknown, source.Connect().Link.Join(source.Migration, JoinPurpose.WriteRate));
        source.SendAll().End();
        Patience.Until(() => ArrivedGuests.TryGetWriteRate(source.Migration, byTls: false, out var rate) && rate > 0, "the guest to have run for long enough");
        var (incoming, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.WriteRate));
        Assert.True(link.Expect(ReturnPathType.WriteRate).ReadWriteRate() > 0);
        Patience.Until(() => incoming.IsEnded, "the end of it");
        Assert.True(incoming.IsQuestion);
        source.AssertArrived();
    }

    [Fact]
    public void A_source_of_an_older_version_can_not_ask_what_a_guest_writes()
    {
        var older = Handshake.ExtensionPing - Handshake.ExtensionVersion + Handshake.WriteRateVersion - 1;
        Refused(MigrationErrorId.InvalidValue, wire => CommandRecord.Write(wire, CommandType.Join, [.. new byte[16], (byte)JoinPurpose.WriteRate]), older);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_source_that_gives_up_says_so_and_the_guest_is_lost_at_once(bool isPaused)
    {
        using var source = new PostcopySource();
        source.GoOver().Answer(2);
        if (isPaused) source.Break();
        var (_, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.GivenUp));
        Assert.Equal(MigrationErrorId.GuestLost, link.Expect(ReturnPathType.Failure).ReadFailure().Id);
        Assert.Equal(1U, link.Expect(ReturnPathType.Shut).Value);
        source.AwaitEnd();
        Assert.Equal((MigrationStatus.Failed, GuestState.Lost), (source.Arrival.Status, source.Arrived.State));
        Assert.Contains("its source gave it up", source.Arrival.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_that_gives_up_a_guest_that_is_whole_learns_that_it_is()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll();
        Patience.Until(() => source.Arrival.MissingPages == 0, "all pages");
        var (_, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.GivenUp));
        Assert.Equal(source.Pages, PostcopyFiguresMessage.Read(link.Expect(ReturnPathType.PostcopyFigures)).Pages);
        Assert.Equal(0U, link.Expect(ReturnPathType.Shut).Value);
        source.AwaitEnd();
        Assert.Equal((MigrationStatus.Completed, GuestState.Running), (source.Arrival.Status, source.Arrived.State));
        Reference.AssertIntact(source.Options, source.Arrived);
    }

    [Fact]
    public void A_receiver_that_is_stopped_in_peace_loses_none_that_comes_over_at_that_moment()
    {
        using var source = new PostcopySource();
        source.GoOver().Answer(2);
        source.Arrival.Abort(force: false);
        Patience.Until(() => source.Arrival.IsPaused || source.Arrival.IsEnded, "the pause");
        Assert.Equal((MigrationStatus.PostcopyPaused, GuestState.Running), (source.Arrival.Status, source.Arrived.State));
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void One_that_waits_for_RUN_goes_back_when_its_receiver_is_stopped()
    {
        using var source = new PostcopySource();
        source.Setup().Package();
        source.Main.Expect(ReturnPathType.Ready);
        source.Arrival.Abort(force: false);
        Assert.Equal(HandoverOutcome.Discarded, HandoverLedger.Ask(source.Migration));
        source.AwaitEnd();
        Assert.Equal(HandoverOutcome.Discarded, source.Connect().Link.Join(source.Migration, JoinPurpose.GivenUp));
        Assert.Empty(TestGuests.On(source.Policy.HostName));
    }

    [Fact]
    public void One_that_waits_is_found_however_many_migrations_came_after_it()
    {
        using var source = new PostcopySource();
        source.GoOver().Answer(2);
        source.Break();
        for (var other = 0; other < 5000; other++) HandoverLedger.Open(Guid.NewGuid());
        Assert.Equal(HandoverOutcome.Unknown, HandoverLedger.Ask(source.Migration));
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void Each_connection_goes_to_its_own_migration_although_all_come_from_one_address()
    {
        PostcopySource[] sources = [new(GuestWorkload.Random), new(GuestWorkload.HotSpot), new(GuestWorkload.Sequential)];
        foreach (var source in sources) source.GoOver().Answer(2);
        foreach (var source in sources) source.Break();
        foreach (var source in sources.Reverse()) source.SendMissing(source.Recover());
        foreach (var source in sources)
        {
            source.End().AssertArrived();
            source.Dispose();
        }
    }

    [Fact]
    public void A_second_recovery_takes_the_place_of_the_first()
    {
        using var source = new PostcopySource();
        source.GoOver();
        source.Break();
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        var first = source.Main;
        source.Main.AskBitmap();
        var received = source.Recover();
        Patience.Until(() => first.IsEnded, "the end of the first");
        source.SendMissing(received).End().AssertArrived();
    }

    [Fact]
    public void A_precopy_that_is_under_way_can_neither_be_recovered_nor_harmed()
    {
        using var source = new PostcopySource();
        source.Setup().SendAll();
        Assert.Equal(HandoverOutcome.Unknown, source.Connect().Link.Join(source.Migration, JoinPurpose.Recovery));
        source.Package().Run().End();
        source.AssertArrived();
    }

    [Fact]
    public void A_precopy_that_waits_for_RUN_is_given_up_by_a_recovery_and_not_by_a_preempt_channel()
    {
        using var source = new PostcopySource();
        source.Setup();
        source.Stream.UpTo(StreamStep.Description);
        source.Main.Expect(ReturnPathType.Ready);
        Assert.Equal(HandoverOutcome.Running, source.Connect().Link.Join(source.Migration, JoinPurpose.Preempt));
        Assert.Equal(HandoverOutcome.Discarded, source.Connect().Link.Join(source.Migration, JoinPurpose.Recovery));
        CommandRecord.Write(source.Stream.Wire, CommandType.Run);
        source.Stream.Wire.Flush();
        source.AwaitEnd();
        Assert.Equal(MigrationStatus.Failed, source.Arrival.Status);
        Assert.Empty(TestGuests.On(source.Policy.HostName));
    }

    [Fact]
    public void Of_a_precopy_that_has_completed_nothing_follows()
    {
        using var source = new PostcopySource();
        source.Setup();
        source.Stream.UpTo(StreamStep.Run);
        source.Main.Expect(ReturnPathType.Shut);
        source.AwaitEnd();
        var (incoming, link) = source.Connect();
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.Recovery));
        Assert.Equal(HandoverOutcome.Unknown, source.Connect().Link.Join(source.Migration, JoinPurpose.Preempt));
        Patience.Until(() => link.IsEnded && incoming.IsEnded, "the end of it");
        Assert.Empty(link.Left);
        Assert.Null(incoming.Error);
        Reference.AssertIntact(source.Options, source.Arrived);
    }

    [Fact]
    public void A_page_through_the_preempt_channel_before_LISTEN_ends_the_migration()
    {
        using var source = new PostcopySource();
        source.Setup();
        var link = source.Connect().Link;
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.Preempt));
        new StreamBuilder(source.Guest, link.Output, source.Migration).Zero(3);
        link.Wire.Flush();
        Assert.Equal(MigrationErrorId.OutOfOrder, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        source.AwaitEnd();
        Assert.Empty(TestGuests.On(source.Policy.HostName));
    }

    [Fact]
    public void A_preempt_channel_waits_for_the_list_of_blocks_for_a_while()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.Stream.UpTo(StreamStep.Announcement);
        source.Main.Expect(ReturnPathType.Accepted);
        var patient = Task.Factory.StartNew(() => source.Connect().Link.Join(source.Migration, JoinPurpose.Preempt), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.Equal(HandoverOutcome.Unknown, source.Connect(source.Policy with { FirstWordTimeout = TimeSpan.FromSeconds(2) }).Link.Join(source.Migration, JoinPurpose.Preempt));
        source.Stream.Advise().UpTo(StreamStep.RamStart);
        Assert.Equal(HandoverOutcome.Running, Patience.Within(() => patient.Result, "the answer"));
        source.Package().Run();
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void A_preempt_channel_whose_migration_ends_meanwhile_is_not_taken()
    {
        using var source = new PostcopySource();
        source.Stream.UpTo(StreamStep.Announcement);
        source.Main.Expect(ReturnPathType.Accepted);
        var (incoming, link) = source.Connect();
        var answer = Task.Factory.StartNew(() => link.Join(source.Migration, JoinPurpose.Preempt), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Patience.Until(() => incoming.IsQuestion, "the question");
        source.Main.Abort();
        Assert.Equal(HandoverOutcome.Unknown, Patience.Within(() => answer.Result, "the answer"));
    }

    [Fact]
    public void A_preempt_channel_can_not_join_without_advice()
    {
        using var other = new PostcopySource();
        other.Stream.UpTo(StreamStep.RamStart);
        other.Main.Expect(ReturnPathType.Accepted);
        Assert.Equal(HandoverOutcome.Unknown, other.Connect().Link.Join(other.Migration, JoinPurpose.Preempt));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(255)]
    public void A_purpose_that_nobody_knows_is_refused(byte purpose)
    {
        using var source = new PostcopySource();
        source.GoOver();
        Refused(MigrationErrorId.InvalidValue, wire => CommandRecord.Write(wire, CommandType.Join, [.. source.Migration.ToByteArray(), purpose]));
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void It_is_of_version_3_and_comes_first()
    {
        var join = new byte[17];
        Refused(MigrationErrorId.InvalidLength, wire => CommandRecord.Write(wire, CommandType.Join, join.AsSpan(1)));
        Refused(MigrationErrorId.OutOfOrder, wire => CommandRecord.Write(wire, CommandType.Join, join), Handshake.ExtensionPing - Handshake.ExtensionVersion + Handshake.PostcopyVersion - 1);
        Refused(MigrationErrorId.OutOfOrder, wire => CommandRecord.Write(wire, CommandType.Join, join), last: StreamStep.Announcement);
        Refused(MigrationErrorId.OutOfOrder, wire => CommandRecord.Write(wire, CommandType.Join, join), Handshake.FirstPing);
        Refused(MigrationErrorId.OutOfOrder, wire =>
        {
            CommandRecord.Write(wire, CommandType.Join, join);
            CommandRecord.Write(wire, CommandType.Join, join);
        });
    }

    static void Refused(MigrationErrorId expected, Action<WireWriter> then, uint ping = Handshake.ExtensionPing, StreamStep last = StreamStep.ExtensionPing)
    {
        var guest = RecordedStream.SmallGuest(64 << 10);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.NewGuid()) { ExtensionPing = ping }.UpTo(last);
        then(stream.Wire);
        guest.Remove();
        Assert.Equal(expected, Incoming.Run(bytes.Written).Migration.Error!.Id);
    }
}
