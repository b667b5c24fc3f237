using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM over a unix socket, against a C program that does nothing but write and read it.</summary>
sealed class UnixQuestion : IQuestion
{
    public string Name => "unix";

    public string Text => "2 GiB random RAM, paused, unix socket, one channel, prefaulted destination, against a plain C copy from 2 GiB to 2 GiB";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        using var copy = new CopyProgram(SourceGuest.Size);
        var source = SourceGuest.Random;
        using var receiver = new ReceiverProcess(ReceiverRole.Warm, isUnix: true);
        receiver.Take(source);
        copy.Copy();
        List<double> theirs = [];
        List<MigrationRun> ours = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(SourceGuest.Size / copy.Copy().TotalSeconds / 1e9);
            ours.Add(receiver.Take(source));
            Progress.Show(round, runs, ("C GB/s", theirs[^1]), ("ours", Rate(ours[^1])));
        }
        yield return Row.OfRates("2 GiB random, unix socket, prefaulted destination", "a plain C copy over a unix socket", "GB/s", [.. ours.Select(Rate)], theirs, 0.9) with
        {
            Line = 4, Note = MigrationRun.Breakdown("ours", ours),
        };
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
