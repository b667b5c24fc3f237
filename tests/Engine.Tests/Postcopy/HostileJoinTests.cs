using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>Who may migrate to a receiver can't end the postcopy of somebody else, nor stay there for ever.</summary>
[Collection("Alone")]
public sealed class HostileJoinTests
{
    [Fact]
    public void A_postcopy_is_known_however_many_migrations_follow_it()
    {
        using var source = new PostcopySource();
        source.GoOver().Answer(1);
        source.Break();
        Crowd();
        source.SendMissing(source.Recover()).End().AssertArrived();

        // Its end, too: a source that did not hear it is not told that its guest is gone.
        Crowd();
        Assert.Equal(HandoverOutcome.Running, source.Rejoin());
        source.Main.Expect(ReturnPathType.PostcopyFigures);
        Assert.Equal(0U, source.Main.Expect(ReturnPathType.Shut).Value);
    }

    [Theory]
    [InlineData(JoinPurpose.Recovery)]
    [InlineData(JoinPurpose.Preempt)]
    public void Who_comes_without_TLS_has_no_say_in_a_migration_that_came_with_it(object purpose)
    {
        using var source = new PostcopySource(policy: Incoming.Policy() with { RequiresTls = true });
        source.GoOver();
        var (incoming, link) = source.Connect(source.Policy with { RequiresTls = false });
        Assert.Equal(HandoverOutcome.Unknown, link.Join(source.Migration, (JoinPurpose)purpose));
        link.Dispose();
        Patience.Until(() => incoming.IsEnded, "the end of it");
        Assert.Equal(MigrationStatus.PostcopyActive, source.Arrival.Status);
        source.SendAll().End().AssertArrived();
    }

    [Fact]
    public void Nor_one_that_waits_for_RUN()
    {
        using var source = new PostcopySource(policy: Incoming.Policy() with { RequiresTls = true });
        source.Setup().Package();
        var bare = source.Policy with { RequiresTls = false };
        Assert.Equal(HandoverOutcome.Unknown, source.Connect(bare).Link.Join(source.Migration, JoinPurpose.Recovery));
        Assert.Equal(HandoverOutcome.Unknown, Ask(source.Connect(bare).Link, source.Migration));
        source.Run().SendAll().End().AssertArrived();
    }

    [Fact]
    public void Who_hears_the_last_words_once_more_does_not_stay_by_talking()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll().End().AssertArrived();
        var (incoming, link) = source.Connect(source.Policy with { FirstWordTimeout = TimeSpan.FromSeconds(1) });
        Assert.Equal(HandoverOutcome.Running, link.Join(source.Migration, JoinPurpose.Recovery));
        Patience.Until(() =>
        {
            try
            {
                link.Wire.Byte(0);
                link.Wire.Flush();
            }
            catch (MigrationException)
            {
                // It was cut.
            }
            return incoming.IsEnded;
        }, "the end of it");
        Assert.True(incoming.IsQuestion);
    }

    [Fact]
    public void Who_asks_again_and_again_gets_no_answer_any_more_and_no_word_that_could_be_taken_for_the_end_of_the_guest()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll().End().AssertArrived();
        // They stay until they are closed.
        var patient = source.Policy with { FirstWordTimeout = TimeSpan.FromHours(1) };
        var kept = Enumerable.Range(0, Postcopies.MostOfOne).Select(_ => source.Connect(patient)).ToArray();
        foreach (var one in kept) Assert.Equal(HandoverOutcome.Running, one.Link.Join(source.Migration, JoinPurpose.Recovery));
        Assert.All(kept, one => Assert.True(one.Incoming.IsKnown));

        var (incoming, link) = source.Connect(patient);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => link.Join(source.Migration, JoinPurpose.Recovery));
        Patience.Until(() => incoming.IsEnded, "the end of it");
        Assert.Equal(MigrationErrorId.DestinationRefused, incoming.Error!.Id);
        Assert.DoesNotContain(link.Left, message => message.Type is ReturnPathType.Outcome or ReturnPathType.Failure or ReturnPathType.Shut);

        kept[0].Link.Dispose();
        Patience.Until(() =>
        {
            if (!Postcopies.TryJoin(source.Migration)) return false;
            Postcopies.Part(source.Migration);
            return true;
        }, "the place of the first");
        Assert.Equal(HandoverOutcome.Running, source.Connect(patient).Link.Join(source.Migration, JoinPurpose.Recovery));
    }

    [Fact]
    public void A_preempt_channel_of_a_migration_that_is_over_is_not_kept()
    {
        using var source = new PostcopySource();
        source.GoOver().SendAll().End().AssertArrived();
        source.JoinThreads();
        var (near, far) = LocalLink.Create("late");
        using (near)
        using (far)
        {
            var served = Task.Factory.StartNew(() => source.Arrival.TryServePreempt(far), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            Assert.False(Patience.Within(() => served.Result, "the answer"));
        }
    }

    [Fact]
    public void A_link_that_fails_in_any_way_while_pages_are_asked_for_ends_no_thread()
    {
        using var memory = new Failing<ArgumentOutOfRangeException>();
        var link = new IncomingLink(memory);
        var guest = RecordedStream.SmallGuest(64 << 10);
        link.TryRequest([(guest.Memory.Ram, 3)]);
        guest.Remove();
        Assert.True(memory.HasThrown);
    }

    /// <summary>As many migrations as the ledger keeps, and one more.</summary>
    static void Crowd()
    {
        for (var i = 0; i <= 4096; i++)
        {
            var other = Guid.NewGuid();
            HandoverLedger.Open(other);
            HandoverLedger.Discard(other);
        }
    }

    static HandoverOutcome Ask(ScriptedLink link, Guid migration)
    {
        StreamHeader.Write(link.Wire, StreamConstants.MachineNone);
        CommandRecord.Write(link.Wire, CommandType.OpenReturnPath);
        link.Ping(Handshake.ExtensionPing);
        link.Expect(ReturnPathType.Pong);
        CommandRecord.Write(link.Wire, CommandType.QueryOutcome, migration.ToByteArray());
        link.Wire.Flush();
        return (HandoverOutcome)link.Expect(ReturnPathType.Outcome).Payload[16];
    }

    /// <summary>A link whose writer throws what no link should.</summary>
    sealed class Failing<T> : System.IO.Pipelines.PipeWriter, IConnection, IDisposable where T : Exception, new()
    {
        public bool HasThrown { get; private set; }

        public System.IO.Pipelines.PipeReader Input { get; } = System.IO.Pipelines.PipeReader.Create(Stream.Null);

        public System.IO.Pipelines.PipeWriter Output => this;

        public long BytesSent => 0;

        public long BytesReceived => 0;

        public string Peer => "failing";

        public override void Advance(int bytes)
        {
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => new byte[64 << 10];

        public override Span<byte> GetSpan(int sizeHint = 0) => new byte[64 << 10];

        public override ValueTask<System.IO.Pipelines.FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            HasThrown = true;
            throw new T();
        }

        public override void CancelPendingFlush()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }

        public void Abort()
        {
        }

        public void EndInput()
        {
        }

        public void Dispose()
        {
        }
    }
}
