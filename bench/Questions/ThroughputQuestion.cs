using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>Bytes of RAM per second, from the start of a migration to its end, against what one stream of iperf3 carries.</summary>
sealed class ThroughputQuestion : IQuestion
{
    public string Name => "throughput";

    public string Text => "2 GiB random RAM, paused, tcp loopback, one channel, warm and cold destination, against iperf3 -l 1M";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var warmReceiver = new ReceiverProcess(ReceiverRole.Warm);
        // The first one touches the memory that the others find warm, and compiles the sender.
        warmReceiver.Take(source);
        List<double> iperf = [];
        List<MigrationRun> cold = [], warm = [];
        for (var round = 1; round <= runs; round++)
        {
            iperf.Add(Iperf.Measure(SourceGuest.Size) / 1e9);
            warm.Add(warmReceiver.Take(source));
            cold.Add(ReceiverProcess.TakeCold(source));
            Progress.Show(round, runs, ("iperf3 GB/s", iperf[^1]), ("warm", Rate(warm[^1])), ("cold", Rate(cold[^1])));
        }
        const string Peer = "iperf3 -l 1M, one stream";
        yield return Row.OfRates("2 GiB random, tcp loopback, warm destination", Peer, "GB/s", [.. warm.Select(Rate)], iperf, 1.0) with
        {
            Line = 1, Note = MigrationRun.Breakdown("ours", warm),
        };
        // iperf3 receives into one warm buffer, over and over: what first touching 2 GiB costs on top is shown, and has no target.
        yield return Row.OfRates("2 GiB random, tcp loopback, cold destination", Peer, "GB/s", [.. cold.Select(Rate)], iperf, target: null);
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
