using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>What real QEMUs answered, what newer ones will, and what none should, as records.</summary>
public sealed class AnswerTests
{
    static QemuMigrationInfo Info(string version, string name) => QemuMigrationInfo.Parse(Captured.Of(version, "query-migrate", name));

    static QemuMigrationInfo Info(string json) => QemuMigrationInfo.Parse(JsonElement.Parse(json));

    [Theory]
    [InlineData("7.2", "none", MigrationStatus.None)]
    [InlineData("7.2", "listening", MigrationStatus.None)]
    [InlineData("10.0", "listening", MigrationStatus.Setup)]
    [InlineData("7.2", "active", MigrationStatus.Active)]
    [InlineData("10.0", "pre-switchover", MigrationStatus.PreSwitchover)]
    [InlineData("7.2", "completed", MigrationStatus.Completed)]
    [InlineData("10.0", "destination-completed", MigrationStatus.Completed)]
    [InlineData("7.2", "failed", MigrationStatus.Failed)]
    [InlineData("10.0", "postcopy-active", MigrationStatus.PostcopyActive)]
    [InlineData("7.2", "postcopy-destination-paused", MigrationStatus.PostcopyPaused)]
    public void States(string version, string name, object expected) => Assert.Equal((MigrationStatus)expected, Info(version, name).Status);

    [Fact]
    public void Every_state_has_QEMUs_name_and_an_unknown_one_stays_a_text()
    {
        Assert.All(Enum.GetValues<MigrationStatus>(), status => Assert.Equal(status, QemuStatus.Parse(QemuStatus.NameOf(status))));
        Assert.Equal("postcopy-recover-setup", QemuStatus.NameOf(MigrationStatus.PostcopyRecoverSetup));
        var info = Info("""{"status": "frobnicating"}""");
        Assert.Equal("frobnicating", info.StatusText);
        Assert.Null(info.Status);
    }

    [Fact]
    public void An_active_migration_of_7_2()
    {
        var info = Info("7.2", "active");
        Assert.Equal((TimeSpan.FromMilliseconds(1200), TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(300), (TimeSpan?)null),
            (info.TotalTime, info.SetupTime, info.ExpectedDowntime, info.Downtime));
        Assert.Equal(new QemuRamInfo
        {
            Total = 268967936, Remaining = 217047040, Transferred = 245227, Duplicate = 12644, Normal = 32, NormalBytes = 131072, PageSize = 4096,
            Mbps = 1.60128, DirtySyncCount = 1, PagesPerSecond = 22220, PrecopyBytes = 245227,
        }, info.Ram);
        Assert.Equal(new XbzrleFigures(67108864, 0, 0, 0, 0, 0, 0), info.XbzrleCache);
    }

    [Fact]
    public void A_completed_migration_of_10_0()
    {
        var info = Info("10.0", "completed");
        Assert.Equal((2206, 2, 999), (info.TotalTime!.Value.TotalMilliseconds, info.SetupTime!.Value.TotalMilliseconds, info.Downtime!.Value.TotalMilliseconds));
        Assert.Null(info.ExpectedDowntime);
        Assert.Equal((112642, 3, 0), (info.Ram!.DowntimeBytes, info.Ram.DirtySyncCount, info.Ram.Remaining));
        Assert.Equal(27, info.XbzrleCache!.CacheMiss);
        Assert.Null(info.ErrorDescription);
        Assert.Empty(info.BlockedReasons);
    }

    [Theory]
    [MemberData(nameof(Captured.Versions), MemberType = typeof(Captured))]
    public void Other_states_of_both(string version)
    {
        var failed = Info(version, "failed");
        Assert.Equal("Failed to connect to '127.0.0.1:1': Connection refused", failed.ErrorDescription);
        Assert.Null(failed.Ram);
        Assert.Equal(["Migration is disabled when using feature 'peer mode' in device 'ivshmem'"], Info(version, "blocked").BlockedReasons);
        Assert.Equal("127.0.0.1", Assert.Single(Info(version, "listening").SocketAddresses).Host);
        var postcopy = Info(version, "postcopy-active").Ram!;
        Assert.True(postcopy is { PostcopyRequests: > 0, PostcopyBytes: > 200_000 });
        var arrived = Info(version, "destination-completed").Postcopy!;
        Assert.Equal(TimeSpan.Zero, arrived.Blocktime);
        Assert.Equal([0], arrived.VcpuBlocktime);
        Assert.Null(failed.Postcopy);
    }

    // Field by field from qapi/migration.json; no QEMU at hand shows these.
    [Fact]
    public void What_only_newer_QEMUs_or_other_machines_show()
    {
        var info = Info("""
            {"status": "failing", "remaining": 12345, "cpu-throttle-percentage": 30, "vfio": {"transferred": 77},
             "postcopy-blocktime": 9, "postcopy-vcpu-blocktime": [4, 5], "postcopy-latency": 1000, "postcopy-latency-dist": [1, 2, 3],
             "postcopy-vcpu-latency": [900, 1100], "postcopy-non-vcpu-latency": 50,
             "dirty-limit-throttle-time-per-round": 2500, "dirty-limit-ring-full-time": 3,
             "xbzrle-cache": {"cache-size": 1, "bytes": 2, "pages": 3, "cache-miss": 4, "cache-miss-rate": 0.5, "encoding-rate": 6.25, "overflow": 7},
             "socket-address": [{"type": "inet", "host": "::1", "port": "4444"}, {"type": "unix", "path": "/run/x"}, {"type": "fd", "str": "5"}]}
            """);
        Assert.Equal((MigrationStatus.Failing, 12345, 30, 77), (info.Status, info.Remaining, info.CpuThrottlePercentage, info.VfioTransferred));
        Assert.Equal(9, info.Postcopy!.Blocktime!.Value.TotalMilliseconds);
        Assert.Equal((1000, 50), (info.Postcopy.Latency, info.Postcopy.NonVcpuLatency));
        Assert.Equal([4, 5], info.Postcopy.VcpuBlocktime);
        Assert.Equal([1, 2, 3], info.Postcopy.LatencyDistribution);
        Assert.Equal([900, 1100], info.Postcopy.VcpuLatency);
        Assert.Equal(2500, info.DirtyLimitThrottleTimePerRound!.Value.TotalMicroseconds);
        Assert.Equal(3, info.DirtyLimitRingFullTime!.Value.TotalMicroseconds);
        Assert.Equal(new XbzrleFigures(1, 2, 3, 4, 0.5, 6.25, 7), info.XbzrleCache);
        Assert.Equal(["tcp:[::1]:4444", "unix:/run/x"], info.SocketAddresses.Select(one => one.ToString()));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("5")]
    [InlineData("""{"status": 5, "ram": [], "total-time": "1", "blocked-reasons": {"a": 1}, "socket-address": [5, {"type": "inet", "host": "?", "port": "x"}]}""")]
    [InlineData("""{"total-time": -1, "setup-time": 18446744073709551615, "downtime": 1e300, "expected-downtime": 9223372036854775807}""")]
    [InlineData("""{"blocked-reasons": [1, null], "postcopy-vcpu-blocktime": [1], "socket-address": [{"type": "unix", "path": ""}]}""")]
    public void Nonsense_is_as_good_as_missing(string json)
    {
        var info = Info(json);
        Assert.Equal(MigrationStatus.None, info.Status);
        Assert.Null(info.Ram);
        Assert.True((info.TotalTime, info.SetupTime, info.Downtime, info.ExpectedDowntime) is (null, null, null, null));
        Assert.Empty(info.BlockedReasons);
        Assert.Empty(info.SocketAddresses);
        Assert.Null(info.Postcopy);
        Assert.Empty(QemuCapabilities.Parse(JsonElement.Parse(json)).Names);
        Assert.Null(QemuParameters.Parse(JsonElement.Parse(json)).Text("total-times"));
    }

    [Fact]
    public void Capabilities()
    {
        var (old, young) = (QemuCapabilities.Parse(Captured.Of("7.2", "query-migrate-capabilities")), QemuCapabilities.Parse(Captured.Of("10.0", "query-migrate-capabilities")));
        Assert.Equal((21, 22), (old.Names.Length, young.Names.Length));
        Assert.True(old.IsKnown("compress") && !young.IsKnown("compress"));
        Assert.True(young.IsKnown("mapped-ram") && !old.IsKnown("mapped-ram"));
        Assert.All(old.Names, name => Assert.False(old.IsOn(name)));
        var set = QemuCapabilities.Parse(JsonElement.Parse("""[{"capability": "events", "state": true}, {"capability": "events", "state": false}, {"state": true}, 5]"""));
        Assert.Equal(["events"], set.Names);
        Assert.True(set.IsOn("events"));
        Assert.False(set.IsOn("unknown"));
    }

    [Fact]
    public void Parameters()
    {
        var (old, young) = (QemuParameters.Parse(Captured.Of("7.2", "query-migrate-parameters")), QemuParameters.Parse(Captured.Of("10.0", "query-migrate-parameters")));
        Assert.Equal((134217728, 300, 8), (old.Number("max-bandwidth"), old.Number("downtime-limit"), old.Number("compress-threads")));
        Assert.Equal(("multifd", "normal", false), (young.Text("zero-page-detection"), young.Text("mode"), young.Flag("direct-io")));
        Assert.True(young.Has("avail-switchover-bandwidth") && !old.Has("avail-switchover-bandwidth"));
        Assert.Null(old.Number("avail-switchover-bandwidth"));
        Assert.Null(old.Number("tls-creds"));
        Assert.Equal(28, young.All.Count);
    }

    [Theory]
    [InlineData("7.2", "7.2.22", "pc-q35-7.2")]
    [InlineData("10.0", "10.0.2", "pc-q35-10.0")]
    public void Identity_of_a_named_guest(string version, string qemu, string machine)
    {
        using var server = Captured.Play(version, "q35");
        using var client = server.Connect();
        var identity = QemuIdentity.Query(client);
        Assert.Equal(Version.Parse(qemu), identity.Version);
        Assert.Equal(client.QemuVersion, identity.Version);
        Assert.StartsWith("Debian 1:", identity.Package, StringComparison.Ordinal);
        Assert.Equal(Guid.Parse("11111111-2222-3333-4444-555555555555"), identity.Uuid);
        Assert.Equal(("guest1", "prelaunch", false, 64L << 20, 2, machine, false),
            (identity.Name, identity.RunState, identity.IsRunning, identity.RamSize, identity.CpuCount, identity.MachineType, identity.IsKvm));
    }

    [Fact]
    public void Identity_of_a_QEMU_that_refuses_all_but_its_state()
    {
        using var server = new FakeQmpServer();
        server.Commands["query-status"] = _ => new System.Text.Json.Nodes.JsonObject { ["status"] = "preconfig", ["running"] = false };
        server.Commands["query-name"] = _ => throw new QmpRefusal("The command is not permitted in this state");
        server.Commands["query-memory-size-summary"] = _ => new System.Text.Json.Nodes.JsonObject { ["base-memory"] = long.MaxValue, ["plugged-memory"] = long.MaxValue };
        using var client = server.Connect();
        Assert.Equal(new QemuIdentity { RunState = "preconfig", RamSize = long.MaxValue }, QemuIdentity.Query(client));
    }
}
