using System.Globalization;
using PsMigrate.Bench.Peers;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>A guest that writes while it is migrated, and the limits: measured with QEMU, with ours by the same means, and with ours by its own choice.</summary>
/// <param name="Megabytes">The working set, MiB; a write goes to each of its pages in turn.</param>
/// <param name="Rate">Pages a second.</param>
/// <param name="Cap">The bandwidth allowed, bytes a second; 0 is all.</param>
/// <param name="Downtime">The downtime allowed, ms.</param>
/// <param name="Xbzrle">Whether both send differences.</param>
sealed record DirtyingCase(int Megabytes, int Rate, long Cap, int Downtime, bool Xbzrle = false)
{
    readonly PacedGuest _program = new(Megabytes << 8, Rate);

    MigrationParameters Same => new()
    {
        Means = MigrationMeans.Qemu, MaxBandwidth = Cap, MaxDowntime = TimeSpan.FromMilliseconds(Downtime),
        // As large as the working set and more, or nothing would be found in it.
        Xbzrle = Xbzrle, XbzrleCacheSize = Xbzrle ? 512 << 20 : 0,
    };

    /// <summary>Throws when it does not end.</summary>
    public MigrationRun Qemu(int round) => TryQemu(round, null) ?? throw new BenchException($"QEMU's migration did not end: {this}.");

    /// <summary>Null when it had not ended by the limit.</summary>
    public MigrationRun? TryQemu(int round, TimeSpan? limit) =>
        QemuToQemu.MigrateRunning(new QemuOptions(SourceGuest.Size) { Program = _program }, Same, Settle(round), limit);

    /// <summary>Ours, by QEMU's means. Throws when it does not end.</summary>
    public MigrationRun OursAlike(int round) => LiveGuest.Migrate(_program, Same, Settle(round)) ?? throw NoEnd();

    /// <summary>Ours, by what it chooses itself. Throws when it does not end.</summary>
    public MigrationRun OursFree(int round) => TryOursFree(round, null) ?? throw NoEnd();

    /// <summary>Null when it had not ended by the limit.</summary>
    public MigrationRun? TryOursFree(int round, TimeSpan? limit) =>
        LiveGuest.Migrate(_program, Same with { Means = MigrationMeans.Adaptive, Xbzrle = false, XbzrleCacheSize = 0 }, Settle(round), limit);

    /// <summary>
    /// How long the guest runs before it is migrated. A guest that walks is easy to send while the sender comes behind it and hard while it
    /// comes behind the sender, so each round meets it at another fifth of its way; one that needs long for its way goes hardly anywhere meanwhile.
    /// </summary>
    TimeSpan Settle(int round)
    {
        var way = (double)_program.Pages / Rate;
        return TimeSpan.FromSeconds(0.3 + (way > 3 ? 0 : (round - 1) % 5 * way / 5));
    }

    BenchException NoEnd() => new($"our migration did not end: {this}.");

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Megabytes} MiB at {Rate / 1000} k pages/s, {(Cap == 0 ? "unlimited" : $"{Cap / 1_000_000} MB/s")}, {Downtime} ms{(Xbzrle ? ", xbzrle" : "")}");
}
