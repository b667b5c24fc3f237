using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Peers;

/// <summary>What a QEMU says of the downtime of a small machine that runs and writes little, two new processes.</summary>
static class QemuDowntime
{
    const long Size = 64 << 20;
    const int Pages = 4096;

    // 4 MB/s.
    const int Rate = 1000;

    public static TimeSpan Measure() =>
        QemuToQemu.MigrateRunning(new QemuOptions(Size) { Program = new PacedGuest(Pages, Rate) }, new MigrationParameters(), TimeSpan.FromSeconds(0.3))?.Downtime
        ?? throw new BenchException("QEMU's migration of a small guest did not end.");
}
