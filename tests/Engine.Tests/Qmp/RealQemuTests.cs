using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>The client with every real QEMU at hand.</summary>
public sealed class RealQemuTests
{
    static readonly Guid Uuid = Guid.Parse("11111111-2222-3333-4444-555555555555");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void It_says_who_it_is(string binary)
    {
        using (var none = new QemuMachine(binary, 16))
        {
            var identity = QemuIdentity.Query(none.Qmp);
            Assert.Equal(none.Qmp.QemuVersion, identity.Version);
            Assert.Equal(none.Qmp.Package, identity.Package);
            Assert.Equal(("none", 16L << 20, 0, "running", true), (identity.MachineType, identity.RamSize, identity.CpuCount, identity.RunState, identity.IsRunning));
            Assert.True(identity is { Uuid: null, Name: null, IsKvm: false });
        }
        using var q35 = new QemuMachine(new QemuOptions(binary) { Machine = "q35", Paused = true, Uuid = Uuid, Arguments = ["-smp", "2", "-name", "guest1"] });
        var named = QemuIdentity.Query(q35.Qmp);
        var version = q35.Qmp.QemuVersion;
        Assert.Equal(($"pc-q35-{version.Major}.{version.Minor}", 64L << 20, 2, "prelaunch", false),
            (named.MachineType, named.RamSize, named.CpuCount, named.RunState, named.IsRunning));
        Assert.Equal(("guest1", Uuid), (named.Name, named.Uuid));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Migration_state_capabilities_and_parameters_can_be_read(string binary)
    {
        using var qemu = new QemuMachine(binary, 16);
        var events = new ConcurrentQueue<QmpEvent>();
        using var subscription = qemu.Qmp.Subscribe(events.Enqueue);
        Assert.Equal(MigrationStatus.None, QemuMigrationInfo.Query(qemu.Qmp).Status);
        Assert.False(QemuCapabilities.Query(qemu.Qmp).IsOn("events"));
        qemu.Qmp.Execute("migrate-set-capabilities", new JsonObject
        {
            ["capabilities"] = new JsonArray(new JsonObject { ["capability"] = "events", ["state"] = true }),
        });
        Assert.True(QemuCapabilities.Query(qemu.Qmp).IsOn("events"));
        qemu.Qmp.Execute("migrate-set-parameters", new JsonObject { ["downtime-limit"] = 123 });
        Assert.Equal(123, QemuParameters.Query(qemu.Qmp).Number("downtime-limit"));
        qemu.Qmp.Execute("migrate", new JsonObject { ["uri"] = "exec:cat >/dev/null" });
        Patience.Until(() => QemuMigrationInfo.Query(qemu.Qmp).Status == MigrationStatus.Completed, "the migration to complete");
        Assert.True(QemuMigrationInfo.Query(qemu.Qmp) is { Ram.Total: >= 16 << 20, Ram.DirtySyncCount: > 0, Downtime: not null });
        Patience.Until(() => events.Any(one => one.Name == "MIGRATION" && one.Data.Text("status") == "completed"), "the event");
        Assert.All(events, one => Assert.InRange(one.Timestamp, DateTime.UtcNow.AddHours(-1), DateTime.UtcNow.AddHours(1)));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Refusals_many_threads_and_out_of_band(string binary)
    {
        using var qemu = new QemuMachine(binary, 16);
        var qmp = qemu.Qmp;
        Assert.True(qmp.HasOutOfBand);
        Assert.Equal(MigrationErrorId.UnsupportedByQemu, ErrorOf(() => qmp.Execute("x-nonsense")));
        Assert.Equal(MigrationErrorId.QemuRefused, ErrorOf(() => qmp.Execute("migrate-set-parameters", new JsonObject { ["downtime-limit"] = -1 })));
        Assert.Equal(MigrationErrorId.QemuRefused, ErrorOf(() => qmp.ExecuteOutOfBand("migrate-pause")));
        // Not every command may be executed out of band.
        Assert.Equal(MigrationErrorId.QemuRefused, ErrorOf(() => qmp.ExecuteOutOfBand("query-status")));
        var threads = Enumerable.Range(0, 16).Select(thread => Task.Factory.StartNew(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                if (thread % 2 == 0) Assert.Equal(qmp.Package, qmp.Execute("query-version", null, Patience.Limit).Text("package"));
                else Assert.Equal(16L << 20, qmp.Execute("query-memory-size-summary", null, Patience.Limit).Number("base-memory"));
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        Assert.True(Task.WaitAll(threads, Patience.Limit));
        // The longest answer there is.
        Assert.InRange(qmp.Execute("query-qmp-schema", null, Patience.Limit).GetArrayLength(), 500, 10_000);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_second_client_waits_in_vain_and_is_told_why(string binary)
    {
        using var qemu = new QemuMachine(binary, 16);
        var error = Assert.Throws<MigrationException>(() => QmpClient.Connect(qemu.Qmp.Uri, TimeSpan.FromSeconds(2)));
        Assert.Equal(MigrationErrorId.QmpTimeout, error.Id);
        Assert.Contains("another may be connected", error.Message, StringComparison.Ordinal);
        // When the first has gone, the next is served.
        qemu.Qmp.Dispose();
        using var next = QmpClient.Connect(qemu.Qmp.Uri, Patience.Limit);
        Assert.Equal(qemu.Qmp.QemuVersion, next.QemuVersion);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void The_end_of_QEMU_is_told(string binary)
    {
        using var qemu = new QemuMachine(binary, 16);
        using var closed = new ManualResetEventSlim();
        var shutdown = false;
        using var subscription = qemu.Qmp.Subscribe(one => shutdown |= one.Name == "SHUTDOWN", _ => closed.Set());
        qemu.Qmp.Execute("quit");
        Patience.For(closed, "the end");
        Assert.True(shutdown);
        Assert.Equal(MigrationErrorId.QmpConnectionLost, qemu.Qmp.ClosedBecause!.Id);
        Assert.Equal(MigrationErrorId.QmpConnectionLost, ErrorOf(() => qemu.Qmp.Execute("query-status")));
    }

    static MigrationErrorId ErrorOf(Action action) => Assert.Throws<MigrationException>(action).Id;
}
