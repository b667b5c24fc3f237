using System.Text.Json.Nodes;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Bench.Peers;

/// <summary>What a QEMU says of the downtime of a small machine that runs: a pc with the firmware that it has, two new processes.</summary>
static class QemuDowntime
{
    public static TimeSpan Measure() => QemuPair.MigrateRunning(64 << 20, qmp =>
        TimeSpan.FromMilliseconds(JsonObject.Create(qmp.Execute("query-migrate"))!["downtime"]!.GetValue<double>()));
}
