using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Sources that say nothing more hold a receiver only for the time it allows.</summary>
public sealed class SilenceTests
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void A_connection_without_a_first_word() => AssertSilent(new MemoryConnection(default, isSilentAtEnd: true), Incoming.Policy(firstWord: Short));

    [Theory]
    [InlineData(StreamStep.Magic)]
    [InlineData(StreamStep.Configuration)]
    [InlineData(StreamStep.ReturnPath)]
    [InlineData(StreamStep.ExtensionPing)]
    public void A_source_that_never_says_who_comes(object last)
    {
        var stream = RecordedStream.Upto((StreamStep)last, _ => { });
        AssertSilent(new MemoryConnection(stream, isSilentAtEnd: true), Incoming.Policy(firstWord: Short));
    }

    [Fact]
    public void A_source_that_stops_inside_its_announcement()
    {
        var stream = RecordedStream.Upto(StreamStep.Announcement, _ => { });
        AssertSilent(new MemoryConnection(stream.AsMemory(0, stream.Length - 1), isSilentAtEnd: true), Incoming.Policy(firstWord: Short));
    }

    [Theory]
    [InlineData(StreamStep.Announcement)]
    [InlineData(StreamStep.RamPart)]
    [InlineData(StreamStep.Devices)]
    public void A_source_that_falls_silent_on_the_way(object last)
    {
        var stream = RecordedStream.Upto((StreamStep)last, _ => { });
        AssertSilent(new MemoryConnection(stream, isSilentAtEnd: true), Incoming.Policy() with { IdleTimeout = Short });
    }

    [Fact]
    public void A_source_that_never_says_RUN()
    {
        var stream = RecordedStream.Ours();
        var policy = Incoming.Policy(run: Short);
        var link = new MemoryConnection(stream.Bytes.AsMemory(0, (int)stream.Boundaries[^2]), isSilentAtEnd: true);
        AssertSilent(link, policy);
        Assert.Contains(link.Answers(), answer => answer.Type == ReturnPathType.Ready);
        // The guest is given up for good: a source that asks may have it.
        Assert.Equal(HandoverOutcome.Discarded, HandoverLedger.Ask(stream.Migration));
    }

    [Fact]
    public void A_question_gets_its_answer_and_no_more_time_than_a_first_word()
    {
        var stream = RecordedStream.Upto(StreamStep.ExtensionPing, wire => CommandRecord.Write(wire, CommandType.QueryOutcome, new byte[16]));
        var link = new MemoryConnection(stream, isSilentAtEnd: true);
        var migration = new IncomingMigration(link, Incoming.Policy(firstWord: TimeSpan.FromSeconds(1)));
        Patience.Within(() => { migration.Run(); return true; }, "the end of the question");
        Assert.True(migration.IsQuestion);
        Assert.Equal((byte)HandoverOutcome.Unknown, Assert.Single(link.Answers(), answer => answer.Type == ReturnPathType.Outcome).Payload[16]);
        Assert.True(link.IsDisposed);
    }

    static void AssertSilent(MemoryConnection link, IncomingPolicy policy)
    {
        var migration = new IncomingMigration(link, policy);
        Patience.Within(() => { migration.Run(); return true; }, "the receiver to give up");
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.Equal(MigrationErrorId.PeerSilent, migration.Error!.Id);
        Assert.True(migration.Error.IsRetryable);
        Assert.Empty(TestGuests.On(policy.HostName));
        Assert.True(link.IsDisposed);
    }
}
