using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>Commands in flight: how many, in which order, late answers, and the end of the connection.</summary>
public sealed class QmpFlightTests : IDisposable
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(250);

    readonly ConcurrentDictionary<string, JsonNode> _ids = new();
    readonly FakeQmpServer _server;

    public QmpFlightTests()
    {
        _server = new FakeQmpServer { Greeting = FakeQmpServer.GreetingOf(10, 0, 2, "oob"), Seen = message => _ids[Name(message)] = message["id"]! };
        foreach (var i in Enumerable.Range(0, 20)) _server.Commands[$"held-{i}"] = _ => FakeQmpServer.Silence;
        _server.Commands["quick"] = _ => "quick";
    }

    public void Dispose() => _server.Dispose();

    static string Name(JsonObject message) => (message["execute"] ?? message["exec-oob"])!.GetValue<string>();

    void Answer(string command) => _server.Answer(_ids[command], command);

    static Task<JsonElement> Start(QmpClient client, string command) =>
        Task.Factory.StartNew(() => client.Execute(command, null, Patience.Limit), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    // One after the other: the order in which they ask is known.
    static List<Task<JsonElement>> StartAll(QmpClient client, int count)
    {
        var all = new List<Task<JsonElement>>();
        for (var i = 0; i < count; i++)
        {
            all.Add(Start(client, $"held-{i}"));
            Patience.Until(() => client.Pending == i + 1, "the command to be in its queue");
        }
        return all;
    }

    [Theory]
    [InlineData(true, 7)]
    [InlineData(false, 1)]
    public void So_many_are_in_flight_and_the_others_follow_in_the_order_in_which_they_came(bool offersOutOfBand, int slots)
    {
        if (!offersOutOfBand) _server.Greeting = FakeQmpServer.GreetingOf(10, 0, 2);
        using var client = _server.Connect();
        var all = StartAll(client, 12);
        for (var i = 0; i < 12; i++)
        {
            var sent = Math.Min(12, slots + i);
            Patience.Until(() => _server.Received.Length == sent, "the next command to be sent");
            Assert.Equal(Enumerable.Range(0, sent).Select(one => $"held-{one}"), _server.Received);
            Answer($"held-{i}");
            Assert.Equal($"held-{i}", Patience.Within(() => all[i].Result, "the answer").GetString());
        }
        Assert.Equal(0, client.Pending);
    }

    [Fact]
    public void An_out_of_band_command_passes_those_that_wait()
    {
        using var client = _server.Connect();
        var all = StartAll(client, 10);
        string? verb = null;
        _server.Seen = message => verb = message.First().Key;
        Assert.Equal("quick", client.ExecuteOutOfBand("quick", null, Patience.Limit).GetString());
        Assert.Equal("exec-oob", verb);
        client.Dispose();
        Assert.All(all, one => Assert.Throws<MigrationException>(() => Patience.Within(() => one.GetAwaiter().GetResult(), "the end")));
    }

    [Fact]
    public void Answers_may_come_in_any_order()
    {
        using var client = _server.Connect();
        var all = StartAll(client, 3);
        Patience.Until(() => _server.Received.Length == 3, "all commands to be sent");
        foreach (var i in new[] { 2, 0, 1 })
        {
            Answer($"held-{i}");
            Assert.Equal($"held-{i}", Patience.Within(() => all[i].Result, "the answer").GetString());
        }
    }

    [Fact]
    public void A_late_answer_is_dropped_and_not_mistaken_for_anothers()
    {
        using var client = _server.Connect();
        var slow = Assert.Throws<MigrationException>(() => client.Execute("held-0", null, Short));
        Assert.Equal(MigrationErrorId.QmpTimeout, slow.Id);
        Assert.Contains("may still carry it out", slow.Message, StringComparison.Ordinal);
        var next = Start(client, "held-1");
        Patience.Until(() => _ids.ContainsKey("held-0") && _ids.ContainsKey("held-1"), "both commands to have come");
        Answer("held-0");
        Answer("held-1");
        Answer("held-1");
        Assert.Equal("held-1", Patience.Within(() => next.Result, "the answer").GetString());
        Assert.Equal("quick", client.Execute("quick").GetString());
    }

    [Fact]
    public void Commands_behind_one_that_is_not_answered_are_not_sent_until_it_is()
    {
        _server.Greeting = FakeQmpServer.GreetingOf(10, 0, 2);
        using var client = _server.Connect();
        Assert.Throws<MigrationException>(() => client.Execute("held-0", null, Short));
        var waiting = Assert.Throws<MigrationException>(() => client.Execute("quick", null, Short));
        Assert.Equal(MigrationErrorId.QmpTimeout, waiting.Id);
        Assert.Contains("was not sent", waiting.Message, StringComparison.Ordinal);
        Patience.Until(() => _ids.ContainsKey("held-0"), "the first command to have come");
        Answer("held-0");
        Assert.Equal("quick", client.Execute("quick", null, Patience.Limit).GetString());
        Assert.Equal(["held-0", "quick"], _server.Received);
    }

    [Fact]
    public void A_dropped_socket_fails_all_that_are_in_flight_or_wait_and_all_that_follow()
    {
        using var client = _server.Connect();
        var all = StartAll(client, 10);
        _server.Drop();
        foreach (var one in all)
        {
            var lost = Assert.Throws<MigrationException>(() => Patience.Within(() => one.GetAwaiter().GetResult(), "the end"));
            Assert.Equal(MigrationErrorId.QmpConnectionLost, lost.Id);
            Assert.Contains("'held-", lost.Message, StringComparison.Ordinal);
        }
        Assert.True(client.IsClosed);
        Assert.Equal(MigrationErrorId.QmpConnectionLost, client.ClosedBecause!.Id);
        Assert.Equal(MigrationErrorId.QmpConnectionLost, Assert.Throws<MigrationException>(() => client.Execute("quick")).Id);
        Assert.Equal(0, client.Pending);
    }

    [Fact]
    public void Disposing_from_another_thread_twice_ends_what_waits()
    {
        using var client = _server.Connect();
        var all = StartAll(client, 3);
        client.Dispose();
        client.Dispose();
        foreach (var one in all)
            Assert.Equal(MigrationErrorId.QmpConnectionLost,
                Assert.Throws<MigrationException>(() => Patience.Within(() => one.GetAwaiter().GetResult(), "the end")).Id);
        Assert.Contains("at this end", client.ClosedBecause!.Message, StringComparison.Ordinal);
        Patience.Until(() => !_server.HasClient, "the connection to end");
    }

    [Fact]
    public void A_server_that_does_not_read_costs_a_command_its_time_and_no_more()
    {
        using var client = _server.Connect();
        _server.Commands["stuck"] = _ => { Patience.Until(() => client.IsClosed, "the client to give up"); return FakeQmpServer.Silence; };
        Assert.Throws<MigrationException>(() => client.Execute("stuck", null, Short));
        var big = new JsonObject { ["text"] = new string('x', 32 << 20) };
        var error = Patience.Within(() => Assert.Throws<MigrationException>(() => client.Execute("quick", big, Short)), "the command to give up");
        Assert.Equal(MigrationErrorId.QmpTimeout, error.Id);
        Assert.Contains("does not read", error.Message, StringComparison.Ordinal);
        Assert.Equal(MigrationErrorId.QmpTimeout, client.ClosedBecause!.Id);
    }
}
