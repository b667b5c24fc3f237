using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM from QEMU to QEMU, every destination cold.</summary>
sealed class QemuQuestion : IQuestion
{
    public string Name => "qemu";

    public string Text => "2 GiB random RAM, paused, tcp loopback, cold destination, against QEMU to QEMU (-M none)";

    public IEnumerable<Row> Ask(int runs)
    {
        using var image = new RamImage(SourceGuest.Size);
        using var source = new SourceGuest(GuestContent.Random);
        // The sender is compiled before it is measured.
        ReceiverProcess.TakeCold(source.Guest, source.Digest);
        List<double> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(SourceGuest.Size / QemuPair.Migrate(SourceGuest.Size, image).TotalSeconds / 1e9);
            ours.Add(SourceGuest.Size / ReceiverProcess.TakeCold(source.Guest, source.Digest).TotalTime.TotalSeconds / 1e9);
            Progress.Show(round, runs, ("QEMU GB/s", theirs[^1]), ("ours", ours[^1]));
        }
        yield return Row.OfRates("2 GiB random, tcp loopback, cold destination", "QEMU to QEMU, one channel", "GB/s", ours, theirs, 1.0);
    }
}
