using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A guest whose pages will never come: it is said so, it can be looked at, and its memory counts until it is removed.</summary>
public sealed class LostGuestTests
{
    [Fact]
    public void Nobody_comes_back_in_time()
    {
        using var source = new PostcopySource(policy: Incoming.Policy() with { RecoverTimeout = TimeSpan.FromMilliseconds(200) });
        source.GoOver().Answer(5);
        source.Main.Abort();
        source.AwaitEnd();
        AssertLost(source);
        Assert.Equal(MigrationSide.Link, source.Arrival.Error!.Side);
        // The source comes too late, and is told.
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        var (id, text) = source.Main.Expect(ReturnPathType.Failure).ReadFailure();
        Assert.Equal(MigrationErrorId.GuestLost, id);
        Assert.Contains("pages have not come", text, StringComparison.Ordinal);
        Assert.Equal(1U, source.Main.Expect(ReturnPathType.Shut).Value);
    }

    [Theory]
    [InlineData(MigrationErrorId.OffsetOutOfRange)]
    [InlineData(MigrationErrorId.OutOfOrder)]
    [InlineData(MigrationErrorId.UnknownRecord)]
    [InlineData(MigrationErrorId.UnknownBlock)]
    [InlineData(MigrationErrorId.UnknownSection)]
    [InlineData(MigrationErrorId.WrongFooter)]
    public void What_is_wrong_in_the_stream_after_RUN_is_told_to_the_source(object wrong)
    {
        using var source = new PostcopySource();
        source.GoOver().Answer(3);
        WriteWrong(source, (MigrationErrorId)wrong);
        source.Stream.Wire.Flush();
        Assert.Equal(MigrationErrorId.GuestLost, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        source.AwaitEnd();
        AssertLost(source);
        Assert.Equal((MigrationErrorId)wrong, Assert.IsType<MigrationException>(source.Arrival.Error!.InnerException).Id);
    }

    [Fact]
    public void An_end_with_pages_missing()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.GoOver().Send(Enumerable.Range(0, 250).Select(page => (long)page)).End();
        Assert.Equal(MigrationErrorId.GuestLost, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        source.AwaitEnd();
        AssertLost(source);
        Assert.Equal(6, source.Arrival.MissingPages);
        Assert.Contains("6 of its 256 pages", source.Arrival.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_wrong_when_all_pages_are_there_loses_nothing()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll();
        source.Stream.Wire.Byte(0x55);
        source.Stream.Wire.Flush();
        source.AssertArrived();
    }

    [Fact]
    public void Last_words_are_known_as_long_as_what_became_of_the_guest()
    {
        var other = new IncomingMigration(new MemoryConnection(default), Incoming.Policy());
        using var source = new PostcopySource(policy: Incoming.Policy() with { RecoverTimeout = TimeSpan.Zero });
        source.GoOver();
        source.Main.Abort();
        source.AwaitEnd();
        Patience.Until(() => Postcopies.LastWords(source.Migration).Length > 0, "the last words");
        for (var i = 0; i < HandoverLedger.Kept - 1000; i++)
        {
            var id = Guid.NewGuid();
            HandoverLedger.Open(id);
            Postcopies.Enter(id, other);
            Postcopies.Leave(id, other, [ReturnPathMessage.Shut(0)]);
        }
        other.Run();
        Assert.Equal(HandoverOutcome.Running, HandoverLedger.Ask(source.Migration));
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        Assert.Equal(MigrationErrorId.GuestLost, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
    }

    [Fact]
    public void A_recovery_does_not_bring_back_what_was_given_up()
    {
        using var source = new PostcopySource(policy: Incoming.Policy() with { RecoverTimeout = TimeSpan.Zero });
        source.GoOver();
        source.Main.Abort();
        source.AwaitEnd();
        for (var time = 0; time < 3; time++)
        {
            Assert.Equal(HandoverOutcome.Running, source.Rejoin());
            // It may have begun already.
            CommandRecord.Write(source.Main.Wire, CommandType.ReceiveBitmap, [3, .. "ram"u8]);
            source.Main.Wire.Flush();
            Assert.Equal(MigrationErrorId.GuestLost, source.Main.Expect(ReturnPathType.Failure).ReadFailure().Id);
        }
        AssertLost(source);
    }

    [Fact]
    public void Its_memory_counts_until_it_is_removed()
    {
        var room = new Admission(4, 3 << 20);
        using var source = new PostcopySource(pages: 512, policy: Incoming.Policy() with { Room = room, RecoverTimeout = TimeSpan.FromMilliseconds(1) });
        source.GoOver();
        source.Main.Abort();
        source.AwaitEnd();
        source.JoinThreads();
        var error = Assert.Throws<MigrationException>(() => room.Enter(2 << 20, TimeSpan.Zero));
        Assert.Equal(MigrationErrorId.MemoryExceeded, error.Id);
        room.Enter(1 << 20, TimeSpan.Zero);
        room.Leave(1 << 20);
        GuestRegistry.Remove(source.Arrived);
        room.Enter(3 << 20, TimeSpan.Zero);
        room.Leave(3 << 20);
        // One that is whole counts no more when it has arrived.
        using var other = new PostcopySource(pages: 512, policy: Incoming.Policy() with { Room = room });
        other.GoOver();
        Assert.Throws<MigrationException>(() => room.Enter(2 << 20, TimeSpan.Zero));
        other.SendAll().End().AssertArrived();
        other.JoinThreads();
        room.Enter(3 << 20, TimeSpan.Zero);
    }

    static void WriteWrong(PostcopySource source, MigrationErrorId wrong)
    {
        var wire = source.Stream.Wire;
        switch (wrong)
        {
            case MigrationErrorId.OffsetOutOfRange:
                source.Stream.Ram(RecordType.SectionPart, () => source.Stream.Zero(source.Pages));
                break;
            case MigrationErrorId.OutOfOrder:
                source.Stream.Package();
                break;
            case MigrationErrorId.UnknownRecord:
                wire.Byte(0x55);
                break;
            case MigrationErrorId.UnknownBlock:
                wire.Byte((byte)RecordType.SectionPart);
                wire.UInt32(1);
                wire.UInt64(RamFlags.Zero);
                wire.Name("rom");
                break;
            case MigrationErrorId.UnknownSection:
                wire.Byte((byte)RecordType.SectionPart);
                wire.UInt32(77);
                break;
            case MigrationErrorId.WrongFooter:
                wire.Byte((byte)RecordType.SectionPart);
                wire.UInt32(1);
                wire.UInt64(RamFlags.Eos);
                wire.Byte((byte)RecordType.Footer);
                wire.UInt32(2);
                break;
        }
    }

    static void AssertLost(PostcopySource source)
    {
        Assert.Equal(MigrationStatus.Failed, source.Arrival.Status);
        var error = source.Arrival.Error!;
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (error.Id, error.Location));
        Assert.True(source.Arrival.MissingPages > 0);
        var lost = source.Arrived;
        Assert.Equal(GuestState.Lost, lost.State);
        Assert.Same(lost, source.Arrival.Guest);
        var ticks = lost.Ticks;
        Assert.Equal(MigrationErrorId.GuestLost, Assert.Throws<MigrationException>(() => lost.Resume(force: true)).Id);
        Assert.Equal(ticks, lost.Ticks);
        Assert.NotNull(source.Arrival.Postcopy);
    }
}
