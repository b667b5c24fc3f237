using System.Globalization;
using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>Text-like RAM, compressed: at QEMU's level with no more bytes than QEMU's, and at a fast one.</summary>
sealed class CompressionQuestion : IQuestion
{
    static readonly MigrationParameters Same = new()
    {
        // The level that is asked for, whatever would pay on this link.
        Means = MigrationMeans.Qemu, Channels = 2, Peer = PeerKind.PsMigrate, Compression = MigrationCompression.Zstd, CompressionLevel = 1,
    };

    // The fastest that is allowed: for when speed counts more than bytes.
    static readonly MigrationParameters Fast = Same with { CompressionLevel = -100 };

    public string Name => "compression";

    public string Text => "2 GiB text-like RAM, paused, tcp loopback, two channels, zstd, prefaulted destination, against QEMU multifd zstd level 1";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        using var source = new SourceGuest(GuestContent.Text);
        using var receiver = new ReceiverProcess(ReceiverRole.Warm);
        receiver.Take(source, Same);
        using var image = new RamImage(source.Guest.Memory);
        var machine = new QemuOptions(SourceGuest.Size) { Image = image };
        var bytes = QemuToQemu.CountBytes(machine, Same);
        Console.WriteLine($"  QEMU puts {bytes} bytes on the link");
        List<MigrationRun> ours = [], fast = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(machine, isPrefaulted: true, Same) with { Bytes = bytes });
            ours.Add(receiver.Take(source, Same));
            fast.Add(receiver.Take(source, Fast));
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("ours", Rate(ours[^1])), ("fast", Rate(fast[^1])));
        }
        var (share, fastShare) = (Bytes(ours) / bytes, Bytes(fast) / bytes);
        var row = Compare("level 1, no more bytes", ours, theirs, 1.2);
        yield return row with { Met = row.Met == true && share <= 1, Note = $"{Share(share)}; {row.Note}" };
        row = Compare("fast level", fast, theirs, 2.0);
        yield return row with { Note = $"{Share(fastShare)}; {row.Note}" };
    }

    static Row Compare(string level, List<MigrationRun> ours, List<MigrationRun> theirs, double target) =>
        Row.OfRates($"2 GiB text-like, tcp loopback, two channels, zstd, {level}", "QEMU to QEMU, multifd 2, zstd level 1", "GB/s", [.. ours.Select(Rate)], [.. theirs.Select(Rate)], target) with
        {
            Line = 8, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };

    static string Share(double share) => string.Create(CultureInfo.InvariantCulture, $"{share:0.000} of QEMU's bytes");

    static double Bytes(List<MigrationRun> runs) => Series.Of([.. runs.Select(run => (double)run.Bytes)]).Median;

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
