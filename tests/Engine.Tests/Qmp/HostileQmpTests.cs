using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>Servers that are no QMP, or a malicious one: a typed error that helps, in bounded time and memory.</summary>
public sealed class HostileQmpTests
{
    static readonly TimeSpan Short = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Shorter = TimeSpan.FromMilliseconds(200);

    static MigrationException Refused(FakeQmpServer server, TimeSpan timeout) =>
        Patience.Within(() => Assert.Throws<MigrationException>(() => QmpClient.Connect(server.Uri, timeout)), "the client to give up");

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n", "'HTTP/1.1 400 Bad Request'")]
    [InlineData("QEMU 10.0.2 monitor - type 'help' for more information\r\n(qemu) ", "human monitor")]
    [InlineData("(qemu) ", "human monitor")]
    [InlineData("SSH-2.0-OpenSSH_9.2", "-qmp")]
    [InlineData("\u001b[2J\0", "'.[2J.'")]
    [InlineData("[]\n", "'[]'")]
    [InlineData("{}\n", "no greeting")]
    [InlineData("{\"QMP\": {}}\n", "no greeting")]
    [InlineData("{\"QMP\": 5}\n", "no greeting")]
    [InlineData("{\"QMP\": {\"version\": {\"qemu\": {\"major\": -1, \"minor\": 0, \"micro\": 0}}}}\n", "no greeting")]
    [InlineData("{\"QMP\": {\"version\": {\"qemu\": {\"major\": 99999999999, \"minor\": 0, \"micro\": 0}}}}\n", "no greeting")]
    [InlineData("{\"return\": {}, \"id\": 1}\n", "no greeting")]
    [InlineData("{\r\n    \"QMP\": {\r\n", "pretty=on")]
    [InlineData("{\"QMP\": }\n", "no JSON")]
    [InlineData("{\"QMP\": {}} {}\n", "no JSON")]
    [InlineData("{\"QMP\": \"\\ud800\"}\n", "no JSON")]
    public void A_first_word_that_is_no_greeting(string first, string hint)
    {
        using var server = new FakeQmpServer { Greeting = null };
        using var speaker = new Speaker(server, Encoding.UTF8.GetBytes(first));
        var error = Refused(server, Patience.Limit);
        Assert.Equal(MigrationErrorId.QmpProtocolError, error.Id);
        Assert.Contains(hint, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.InRange(error.Message.Length, 1, 400);
    }

    [Fact]
    public void Bytes_that_are_no_UTF_8()
    {
        using var server = new FakeQmpServer { Greeting = null };
        using var speaker = new Speaker(server, [.. "{\"QMP\": \""u8, 0xC3, 0x28, 0xFF, .. "\"}\n"u8]);
        var error = Refused(server, Patience.Limit);
        Assert.Equal(MigrationErrorId.QmpProtocolError, error.Id);
        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_greeting_that_never_comes_may_mean_that_another_client_is_served()
    {
        using var server = new FakeQmpServer();
        using var first = server.Connect();
        var error = Refused(server, Short);
        Assert.Equal(MigrationErrorId.QmpTimeout, error.Id);
        Assert.Contains("another may be connected", error.Message, StringComparison.Ordinal);
        Assert.Contains(server.Uri.ToString(), error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"QMP\": ", ' ')]
    [InlineData("", '\n')]
    public void Bytes_that_drip_do_not_prolong_the_time_for_the_greeting(string first, char drop)
    {
        using var server = new FakeQmpServer { Greeting = null };
        using var speaker = new Speaker(server, Encoding.UTF8.GetBytes(first), [(byte)drop]);
        Assert.Equal(MigrationErrorId.QmpTimeout, Refused(server, Short).Id);
    }

    [Fact]
    public void Negotiation_that_is_never_answered()
    {
        using var server = new FakeQmpServer();
        server.Commands["qmp_capabilities"] = _ => FakeQmpServer.Silence;
        var error = Refused(server, Short);
        Assert.Equal(MigrationErrorId.QmpTimeout, error.Id);
        Assert.Contains("qmp_capabilities", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_without_an_end()
    {
        using var server = new FakeQmpServer { Greeting = null };
        using var speaker = new Speaker(server, "{\"QMP\": \""u8.ToArray(), Encoding.UTF8.GetBytes(new string('x', 1 << 20)));
        var error = Refused(server, Patience.Limit);
        Assert.Equal(MigrationErrorId.QmpProtocolError, error.Id);
        Assert.Contains("16 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_longest_line_is_read_and_one_byte_more_is_not()
    {
        using var server = new FakeQmpServer();
        var length = QmpLineReader.MaxLine;
        server.Commands["long"] = _ => new string('x', length - """{"return":"","id":2}""".Length - 1);
        server.Commands["longer"] = _ => new string('x', length - """{"return":"","id":3}""".Length);
        using var client = server.Connect();
        Assert.Equal(length - 21, client.Execute("long", null, Patience.Limit).GetString()!.Length);
        var error = Assert.Throws<MigrationException>(() => client.Execute("longer", null, Patience.Limit));
        Assert.Equal(MigrationErrorId.QmpProtocolError, error.Id);
    }

    public static TheoryData<string, string> BadMessages => new()
    {
        { "garbage", "no JSON in one line|does not speak QMP" },
        { "{\"event\": \"A\"", "no JSON" },
        { "{\"return\": {}}", "without an id" },
        { "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}", "JSON parse error" },
        { "{\"new\": {}}", "neither" },
        { $"{{\"event\": {new string('[', 65)}{new string(']', 65)}}}", "no JSON" },
        { $"{{\"event\": {new string('[', 1_000_000)}", "no JSON" },
    };

    [Theory]
    [MemberData(nameof(BadMessages))]
    public void A_message_that_is_none_ends_the_connection_and_what_is_in_flight(string message, string hints)
    {
        using var server = new FakeQmpServer();
        server.Commands["held"] = _ => { server.Send(message); return FakeQmpServer.Silence; };
        using var client = server.Connect();
        var error = Patience.Within(() => Assert.Throws<MigrationException>(() => client.Execute("held", null, Patience.Limit)), "the end");
        Assert.Equal(MigrationErrorId.QmpProtocolError, error.Id);
        Assert.Contains(hints.Split('|'), hint => error.Message.Contains(hint, StringComparison.Ordinal));
        Assert.Equal(MigrationErrorId.QmpProtocolError, client.ClosedBecause!.Id);
        Patience.Until(() => !server.HasClient, "the connection to end");
    }

    [Theory]
    [InlineData("{\"return\": {}, \"id\": 999}")]
    [InlineData("{\"return\": {}, \"id\": \"2\"}")]
    [InlineData("{\"return\": {}, \"id\": 1e99}")]
    [InlineData("{\"return\": {}, \"id\": null}")]
    [InlineData("{\"error\": 5, \"id\": [{}]}")]
    [InlineData("\r\n \t\r\n")]
    public void Answers_of_nobody_are_ignored_however_many(string answer)
    {
        using var server = new FakeQmpServer();
        server.Commands["quick"] = _ =>
        {
            var lines = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(answer + "\n", 1000)));
            for (var i = 0; i < 20; i++) server.SendBytes(lines);
            return "quick";
        };
        using var client = server.Connect();
        Assert.Equal("quick", client.Execute("quick", null, Patience.Limit).GetString());
        Assert.Equal(0, client.Pending);
    }

    [Theory]
    [InlineData("{\"error\": 5, \"id\": 2}")]
    [InlineData("{\"error\": {\"class\": [], \"desc\": {}}, \"id\": 2}")]
    [InlineData("{\"return\": {}, \"error\": {}, \"id\": 2}")]
    public void An_error_without_its_parts_is_a_refusal_all_the_same(string answer)
    {
        using var server = new FakeQmpServer();
        server.Commands["odd"] = _ => { server.Send(answer); return FakeQmpServer.Silence; };
        using var client = server.Connect();
        Assert.Equal(MigrationErrorId.QemuRefused, Assert.Throws<MigrationException>(() => client.Execute("odd", null, Patience.Limit)).Id);
        Assert.False(client.IsClosed);
    }

    [Fact]
    public void A_server_that_closes_after_any_byte()
    {
        using var server = new FakeQmpServer();
        server.Commands["quick"] = _ => "quick";
        var length = FakeQmpServer.GreetingOf(10, 0, 2).Length + """{"return":{},"id":1}{"return":"quick","id":2}""".Length + 6;
        for (var bytes = 1; bytes < length; bytes++)
        {
            server.CloseAfter = bytes;
            var error = Assert.Throws<MigrationException>(() =>
            {
                using var client = server.Connect();
                client.Execute("quick", null, Patience.Limit);
            });
            Assert.Equal(MigrationErrorId.QmpConnectionLost, error.Id);
        }
    }

    [Fact]
    public void Random_changes_of_a_session_end_in_an_answer_or_a_typed_error()
    {
        var random = new Random(4711);
        var greeting = FakeQmpServer.GreetingOf(10, 0, 2, "oob");
        var session = Encoding.UTF8.GetBytes(greeting + """

            {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "MIGRATION", "data": {"status": "setup"}}
            {"return": {}, "id": 1}
            {"error": {"class": "GenericError", "desc": "no"}, "id": 2}

            """);
        for (var round = 0; round < 300; round++)
        {
            var changed = session.ToArray();
            for (var change = random.Next(1, 4); change > 0; change--) changed[random.Next(changed.Length)] = (byte)random.Next(256);
            using var server = new FakeQmpServer { Greeting = null };
            using var speaker = new Speaker(server, changed);
            var error = Patience.Within(() => Assert.Throws<MigrationException>(() =>
            {
                using var client = QmpClient.Connect(server.Uri, Shorter);
                client.Execute("any", null, Shorter);
            }), $"round {round}");
            Assert.Contains(error.Id, (MigrationErrorId[])[MigrationErrorId.QmpConnectionLost, MigrationErrorId.QmpProtocolError, MigrationErrorId.QmpTimeout,
                MigrationErrorId.QemuRefused, MigrationErrorId.UnsupportedByQemu]);
        }
    }

    /// <summary>Says something to whoever connects, and then perhaps something again and again.</summary>
    sealed class Speaker : IDisposable
    {
        readonly Thread _thread;
        volatile bool _isDone;

        public Speaker(FakeQmpServer server, byte[] first, byte[]? again = null)
        {
            _thread = new Thread(() =>
            {
                while (!server.HasClient && !_isDone) Thread.Sleep(1);
                server.SendBytes(first);
                while (again is not null && server.HasClient && !_isDone)
                {
                    server.SendBytes(again);
                    if (again.Length == 1) Thread.Sleep(1);
                }
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _isDone = true;
            _thread.Join();
        }
    }
}
