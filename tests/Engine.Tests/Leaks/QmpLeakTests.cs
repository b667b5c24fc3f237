using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Leaks;

/// <summary>Many QMP connections with every kind of end: no thread and no descriptor stays behind.</summary>
[Collection("Alone")]
public sealed class QmpLeakTests
{
    [LinuxFact]
    public void Connections_that_come_and_go()
    {
        using var server = new FakeQmpServer();
        server.Commands["quick"] = _ => "quick";
        server.Commands["held"] = _ => FakeQmpServer.Silence;
        server.Commands["drop"] = _ => { server.Drop(); return FakeQmpServer.Silence; };
        Round(server, 0);
        Settle(server);
        var sockets = ProcessState.Sockets();
        for (var round = 1; round < 100; round++) Round(server, round);
        Settle(server);
        Patience.Until(() => ProcessState.Sockets() == sockets, $"sockets to be {sockets}, and there are {ProcessState.Sockets()}");
    }

    [LinuxFact]
    public void One_that_stays_would_be_counted()
    {
        using var server = new FakeQmpServer();
        ProcessState.AssertNoThreads();
        var sockets = ProcessState.Sockets();
        using (server.Connect())
        {
            Assert.Single(ProcessState.EngineThreads());
            Assert.Equal(sockets + 2, ProcessState.Sockets());
        }
        Settle(server);
    }

    static void Settle(FakeQmpServer server)
    {
        Patience.Until(() => !server.HasClient, "the last client to go");
        ProcessState.AssertNoThreads();
    }

    static void Round(FakeQmpServer server, int round)
    {
        server.Greeting = (round % 5) switch
        {
            3 => "no greeting",
            4 => null,
            _ => FakeQmpServer.GreetingOf(10, 0, 2, "oob"),
        };
        if (round % 5 >= 3)
        {
            Assert.Throws<MigrationException>(() => QmpClient.Connect(server.Uri, round % 5 == 3 ? Patience.Limit : TimeSpan.FromMilliseconds(20)));
            return;
        }
        using var client = server.Connect();
        client.Subscribe(_ => { });
        Assert.Equal("quick", client.Execute("quick", null, Patience.Limit).GetString());
        if (round % 5 == 1) Assert.Throws<MigrationException>(() => client.Execute("drop", null, Patience.Limit));
        if (round % 5 == 2) Assert.Throws<MigrationException>(() => client.Execute("held", null, TimeSpan.FromMilliseconds(1)));
    }
}
