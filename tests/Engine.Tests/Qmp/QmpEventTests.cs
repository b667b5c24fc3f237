using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>Events and the end, told to subscribers good and bad.</summary>
public sealed class QmpEventTests : IDisposable
{
    readonly FakeQmpServer _server = new();
    readonly QmpClient _client;

    public QmpEventTests()
    {
        _server.Commands["quick"] = _ => "quick";
        _client = _server.Connect();
    }

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
    }

    // Its answer comes behind all events before it.
    void Settle() => _client.Execute("quick", null, Patience.Limit);

    [Fact]
    public void An_event_has_its_name_its_data_and_its_time()
    {
        var told = new List<QmpEvent>();
        using var subscription = _client.Subscribe(told.Add);
        _server.Send("""{"timestamp": {"seconds": 1795405155, "microseconds": 848188}, "event": "MIGRATION", "data": {"status": "setup"}}""");
        _server.Send("""{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "STOP"}""");
        _server.Send("""{"timestamp": {"seconds": 99999999999999, "microseconds": 1e99}, "event": 5, "data": []}""");
        Settle();
        Assert.Equal(["MIGRATION", "STOP", ""], told.Select(one => one.Name));
        Assert.Equal("setup", told[0].Data.Text("status"));
        Assert.Equal(new DateTime(2026, 11, 23, 3, 39, 15, DateTimeKind.Utc).AddMicroseconds(848188), told[0].Timestamp);
        Assert.All(told.Skip(1), one => Assert.Null(one.Data.Text("status")));
        Assert.All(told.Skip(1), one => Assert.InRange(one.Timestamp, DateTime.UtcNow.AddHours(-1), DateTime.UtcNow));
    }

    [Fact]
    public void All_subscribers_are_told_until_they_leave()
    {
        var (first, second) = (0, 0);
        var one = _client.Subscribe(_ => first++);
        using var two = _client.Subscribe(_ => second++);
        _server.Emit("STOP");
        Settle();
        one.Dispose();
        one.Dispose();
        _server.Emit("RESUME");
        Settle();
        Assert.Equal((1, 2), (first, second));
    }

    [Fact]
    public void A_subscriber_that_throws_harms_nobody()
    {
        var told = 0;
        using var bad = _client.Subscribe(_ => throw new NotSupportedException("bad"), _ => throw new NotSupportedException("worse"));
        using var good = _client.Subscribe(_ => told++, _ => told += 10);
        _server.Emit("STOP");
        Settle();
        Assert.Equal("bad", _client.SubscriberFailure!.Message);
        _server.Drop();
        Patience.Until(() => Volatile.Read(ref told) == 11, "the good one to be told of both");
        Assert.Equal("worse", _client.SubscriberFailure!.Message);
    }

    [Fact]
    public void A_subscriber_that_executes_a_command_is_told_that_it_can_not()
    {
        using var subscription = _client.Subscribe(_ => _client.Execute("quick"));
        _server.Emit("STOP");
        Settle();
        Assert.IsType<InvalidOperationException>(_client.SubscriberFailure);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_end_is_told_once_with_its_reason(bool isDropped)
    {
        var reasons = new List<MigrationException>();
        using var subscription = _client.Subscribe(_ => { }, reasons.Add);
        if (isDropped) _server.Drop();
        else _client.Dispose();
        Patience.Until(() => reasons.Count > 0, "the end to be told");
        _client.Dispose();
        // Whoever comes too late is told as well, and the first one not again.
        using var late = _client.Subscribe(_ => { }, reasons.Add);
        Assert.Equal([_client.ClosedBecause!, _client.ClosedBecause!], reasons);
        Assert.Equal(MigrationErrorId.QmpConnectionLost, reasons[0].Id);
        Assert.Contains(isDropped ? _server.Uri.ToString() : "at this end", reasons[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_has_left_is_not_told_of_the_end()
    {
        var told = 0;
        _client.Subscribe(_ => told++, _ => told++).Dispose();
        using var last = new ManualResetEventSlim();
        using var other = _client.Subscribe(_ => { }, _ => last.Set());
        _server.Drop();
        Patience.For(last, "the end");
        Assert.Equal(0, told);
    }

    [Fact]
    public void A_subscriber_may_dispose_the_client()
    {
        using var closed = new ManualResetEventSlim();
        using var subscription = _client.Subscribe(_ => _client.Dispose(), _ => closed.Set());
        _server.Emit("SHUTDOWN");
        Patience.For(closed, "the end");
        Assert.True(_client.IsClosed);
        Assert.Null(_client.SubscriberFailure);
    }

    [Fact]
    public void A_flood_of_events_waits_in_the_socket_while_a_subscriber_is_slow()
    {
        const int Total = 100_000;
        using var leave = new ManualResetEventSlim();
        var (told, emitted, isOrdered) = (0, 0, true);
        using var subscription = _client.Subscribe(one =>
        {
            leave.Wait(Patience.Limit);
            isOrdered &= one.Data.Number("number") == told++;
        });
        var padding = new string('x', 1000);
        var flood = new Thread(() =>
        {
            for (; emitted < Total; Volatile.Write(ref emitted, emitted + 1))
                _server.Emit("FLOOD", new JsonObject { ["number"] = emitted, ["padding"] = padding });
        });
        flood.Start();
        var (before, since) = (-1, Environment.TickCount64);
        Patience.Until(() =>
        {
            var now = Volatile.Read(ref emitted);
            if (now != before) (before, since) = (now, Environment.TickCount64);
            return Environment.TickCount64 - since > 300;
        }, "the flood to stop");
        Assert.InRange(Volatile.Read(ref emitted), 1, Total / 2);
        leave.Set();
        Assert.True(flood.Join(Patience.Limit));
        Settle();
        Assert.Equal(Total, told);
        Assert.True(isOrdered);
    }
}
