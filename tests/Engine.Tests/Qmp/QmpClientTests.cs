using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>Greeting, commands and answers with a server that does as it should.</summary>
public sealed class QmpClientTests
{
    public static TheoryData<string> Addresses => [$"unix:{Path.Combine(Path.GetTempPath(), $"psm-qmp-{Guid.NewGuid():N}")}", "tcp:127.0.0.1:0"];

    [Theory]
    [MemberData(nameof(Addresses))]
    public void The_greeting_tells_the_version_and_oob_is_enabled_where_it_is_offered(string address)
    {
        JsonObject? negotiated = null;
        using var server = new FakeQmpServer(address) { Greeting = FakeQmpServer.GreetingOf(11, 1, 3, "oob", "new"), Seen = message => negotiated ??= message };
        using var client = server.Connect();
        Assert.Equal(new Version(11, 1, 3), client.QemuVersion);
        Assert.Equal("fake", client.Package);
        Assert.True(client.HasOutOfBand);
        Assert.Equal(server.Uri, client.Uri);
        Assert.False(client.IsClosed);
        Assert.Equal("""{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":1}""", negotiated!.ToJsonString());
    }

    [Fact]
    public void Oob_is_not_asked_for_where_it_is_not_offered()
    {
        JsonObject? negotiated = null;
        using var server = new FakeQmpServer { Seen = message => negotiated ??= message };
        using var client = server.Connect();
        Assert.False(client.HasOutOfBand);
        Assert.Equal("""{"execute":"qmp_capabilities","id":1}""", negotiated!.ToJsonString());
    }

    [Fact]
    public void A_server_that_delivers_single_bytes_is_understood()
    {
        using var server = new FakeQmpServer { PieceSize = 1 };
        server.Commands["query-name"] = _ => new JsonObject { ["name"] = "größer" };
        using var client = server.Connect();
        Assert.Equal("größer", client.Execute("query-name").Text("name"));
    }

    [Fact]
    public void Arguments_arrive_and_what_is_returned_comes_back()
    {
        using var server = new FakeQmpServer();
        server.Commands["echo"] = arguments => arguments.DeepClone();
        using var client = server.Connect();
        var back = client.Execute("echo", new JsonObject { ["text"] = "a\"b\n\u00e9\U0001f600", ["number"] = ulong.MaxValue });
        Assert.Equal("a\"b\n\u00e9\U0001f600", back.Text("text"));
        Assert.Equal(ulong.MaxValue, back.GetProperty("number").GetUInt64());
    }

    [Fact]
    public void A_refusal_names_the_command_and_QEMUs_reason_and_the_client_goes_on()
    {
        using var server = new FakeQmpServer();
        server.Commands["migrate"] = _ => throw new QmpRefusal("There's a migration process in progress\u001b[2J");
        server.Commands["stop"] = _ => new JsonObject();
        using var client = server.Connect();
        var refused = Assert.Throws<MigrationException>(() => client.Execute("migrate"));
        Assert.Equal(MigrationErrorId.QemuRefused, refused.Id);
        Assert.Equal("QEMU refused 'migrate': There's a migration process in progress.[2J", refused.Message);
        var unknown = Assert.Throws<MigrationException>(() => client.Execute("x-new"));
        Assert.Equal(MigrationErrorId.UnsupportedByQemu, unknown.Id);
        Assert.Contains("'x-new'", unknown.Message, StringComparison.Ordinal);
        client.Execute("stop");
        Assert.Equal(["migrate", "x-new", "stop"], server.Received);
    }

    [Fact]
    public void Each_of_many_threads_gets_its_own_answers()
    {
        using var server = new FakeQmpServer { Greeting = FakeQmpServer.GreetingOf(10, 0, 2, "oob") };
        server.Commands["echo"] = arguments => arguments["value"]!.DeepClone();
        using var client = server.Connect();
        var threads = Enumerable.Range(0, 16).Select(thread => new Func<bool>(() => Enumerable.Range(0, 100).All(i =>
        {
            var arguments = new JsonObject { ["value"] = (1000 * thread) + i };
            var answer = i % 3 == 0 ? client.ExecuteOutOfBand("echo", arguments, Patience.Limit) : client.Execute("echo", arguments, Patience.Limit);
            return answer.GetInt32() == (1000 * thread) + i;
        }))).Select(body => Task.Factory.StartNew(body, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        Assert.True(Task.WaitAll(threads, Patience.Limit));
        Assert.All(threads, thread => Assert.True(thread.Result));
    }

    [Theory]
    [InlineData("local:there")]
    [InlineData("file:/dev/null")]
    [InlineData("exec:true")]
    public void Only_sockets_can_be_QMP_addresses(string address) => Assert.Equal(MigrationErrorId.UnsupportedUri,
        Assert.Throws<MigrationException>(() => QmpClient.Connect(MigrationUri.Parse(address), Patience.Limit)).Id);

    [Fact]
    public void Nobody_there_is_told_at_once() => Assert.Equal(MigrationErrorId.ConnectionRefused,
        Assert.Throws<MigrationException>(() => QmpClient.Connect(MigrationUri.Parse("unix:/nowhere/qmp"), Patience.Limit)).Id);

    [Fact]
    public void Connecting_can_be_cancelled()
    {
        using var server = new FakeQmpServer { Greeting = null };
        using var cancel = new CancellationTokenSource();
        var connecting = Task.Factory.StartNew(() => Assert.Throws<OperationCanceledException>(() => QmpClient.Connect(server.Uri, Patience.Limit, cancel.Token)),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Patience.Until(() => server.HasClient, "the client to connect");
        cancel.Cancel();
        Assert.Equal(0, Task.WaitAny([connecting], Patience.Limit));
        Assert.True(connecting.IsCompletedSuccessfully);
        Patience.Until(() => !server.HasClient, "the connection to end");
    }
}
