using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM over two channels, against QEMU's multifd.</summary>
sealed class ChannelsQuestion : IQuestion
{
    static readonly MigrationParameters Asked = new() { Channels = 2, Peer = PeerKind.PsMigrate };

    public string Name => "channels";

    public string Text => "2 GiB random RAM, paused, unix socket, two channels, prefaulted destination, against QEMU multifd 2";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var receiver = new ReceiverProcess(ReceiverRole.Warm, isUnix: true);
        receiver.Take(source, Asked);
        List<MigrationRun> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(new QemuOptions(SourceGuest.Size) { Image = SourceGuest.RandomImage }, isPrefaulted: true, Asked, isUnix: true));
            ours.Add(receiver.Take(source, Asked));
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("ours", Rate(ours[^1])));
        }
        yield return Row.OfRates("2 GiB random, unix socket, two channels, prefaulted destination", "QEMU to QEMU, multifd 2, -mem-prealloc", "GB/s", [.. ours.Select(Rate)], [.. theirs.Select(Rate)], 1.3) with
        {
            Line = 5, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
