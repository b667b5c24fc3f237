using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>Bytes of RAM per second, from the start of a migration to its end, against what one stream of iperf3 carries.</summary>
sealed class ThroughputQuestion : IQuestion
{
    const double Target = 0.9;

    public string Name => "throughput";

    public string Text => "2 GiB random RAM, paused, tcp loopback, two processes, cold and warm destination, against iperf3 -l 1M";

    public IEnumerable<Row> Ask(int runs)
    {
        using var source = new SourceGuest(GuestContent.Random);
        using var warmReceiver = new ReceiverProcess(ReceiverRole.Warm);
        // The first one touches the memory that the others find warm, and compiles the sender.
        warmReceiver.Take(source.Guest, source.Digest);
        List<double> iperf = [], cold = [], warm = [];
        for (var round = 1; round <= runs; round++)
        {
            iperf.Add(Iperf.Measure(SourceGuest.Size) / 1e9);
            cold.Add(Rate(ReceiverProcess.TakeCold(source.Guest, source.Digest)));
            warm.Add(Rate(warmReceiver.Take(source.Guest, source.Digest)));
            Progress.Show(round, runs, ("iperf3 GB/s", iperf[^1]), ("cold", cold[^1]), ("warm", warm[^1]));
        }
        yield return Row.OfRates("2 GiB random, tcp loopback, warm destination", "iperf3 -l 1M, one stream", "GB/s", warm, iperf, Target);
        // iperf3 receives into one warm buffer, over and over: what first touching 2 GiB costs on top is shown, and has no target.
        yield return Row.OfRates("2 GiB random, tcp loopback, cold destination", "iperf3 -l 1M, one stream", "GB/s", cold, iperf, target: null);
    }

    static double Rate(MigrationResult result) => SourceGuest.Size / result.TotalTime.TotalSeconds / 1e9;
}
