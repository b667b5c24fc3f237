using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>A connection that only asks after another migration has no channels, and is no arrival, whatever becomes of it.</summary>
public sealed class QuestionTests : IDisposable
{
    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions { FirstWordTimeout = Patience.Limit, HostName = TestGuests.UniqueName("there") });

    [Fact]
    public void It_is_not_taken_for_the_owner_of_a_late_channel()
    {
        using var question = Connect();
        Assert.Equal(HandoverOutcome.Unknown, question.Join(Guid.NewGuid(), JoinPurpose.WriteRate));
        using var source = new FakeSource(_receiver, flushes: true);
        source.Main.Header();
        source.Connect(0).Sync().Main.Setup();
        Patience.Until(() => _receiver.GetState().Incoming is [{ TotalBytes: > 0 }], "the first mark");
        source.Connect(1).Channels[1].Sync();
        for (var pass = 1; pass <= 3; pass++) source.SendPass(pass).Main.Pass();
        source.Sync().Main.End();
        source.AssertArrived(Arrived());
    }

    [Fact]
    public void One_that_fails_takes_no_channel_along_that_waits_for_its_migration()
    {
        using var source = new FakeSource(_receiver, flushes: true);
        source.Connect(0, 1);
        using var question = Connect();
        Assert.Equal(HandoverOutcome.Unknown, question.Join(Guid.NewGuid(), JoinPurpose.WriteRate));
        CommandRecord.Write(question.Wire, CommandType.PostcopyResume);
        question.Wire.Flush();
        Patience.Until(() => question.IsEnded, "the end of the question");
        source.Main.Header();
        source.SendAll();
        source.AssertArrived(Arrived());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_whose_source_ends_before_it_is_asked_is_no_arrival(bool isCut)
    {
        using var source = new FakeSource(_receiver, flushes: true);
        source.Connect(0, 1);
        using var question = Connect();
        StreamHeader.Write(question.Wire, StreamConstants.MachineNone);
        CommandRecord.Write(question.Wire, CommandType.OpenReturnPath);
        question.Ping(Handshake.ExtensionPing);
        question.Expect(ReturnPathType.Pong);
        Assert.Equal(1, _receiver.ActiveCount);
        if (isCut) question.Abort();
        else question.Close();
        Patience.Until(() => _receiver.ActiveCount == 0, "the end of the question");
        source.Main.Header();
        source.SendAll();
        source.AssertArrived(Arrived());
    }

    public void Dispose()
    {
        _receiver.Stop();
        TestGuests.RemoveAll(_receiver.HostName);
    }

    ScriptedLink Connect() => new(Connector.Connect(_receiver.Uri, Patience.Limit, default));

    /// <summary>The guest, and nothing else has arrived or failed.</summary>
    MemoryGuest Arrived()
    {
        Assert.True(_receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        Assert.Equal((1, 0), (_receiver.ArrivedCount, _receiver.FailedCount));
        return arrival.Guest!;
    }
}
