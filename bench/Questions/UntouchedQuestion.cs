using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>RAM that was never written, from QEMU to QEMU and from ours to ours, every process new at the destination.</summary>
sealed class UntouchedQuestion : IQuestion
{
    public string Name => "untouched";

    public string Text => "an untouched guest of 2 GiB, tcp loopback, against QEMU to QEMU";

    public IEnumerable<Row> Ask(int runs)
    {
        using var source = new SourceGuest(GuestContent.Zero);
        ReceiverProcess.TakeCold(source.Guest, source.Digest);
        List<double> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuPair.Migrate(SourceGuest.Size, image: null).TotalMilliseconds);
            ours.Add(ReceiverProcess.TakeCold(source.Guest, source.Digest).TotalTime.TotalMilliseconds);
            Progress.Show(round, runs, ("QEMU ms", theirs[^1]), ("ours", ours[^1]));
        }
        yield return Row.OfTimes("2 GiB untouched, tcp loopback", "QEMU to QEMU", "ms", ours, theirs, 2.0);
    }
}
