using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// The page path inside the hosted module, where a project file's settings of collector and compiler do not hold: two psmigrate
/// processes against two of this program.
/// </summary>
sealed class HostedQuestion : IQuestion
{
    public string Name => "hosted";

    public string Text => "2 GiB random RAM from psmigrate to psmigrate, against the same between two processes of this program";

    public IEnumerable<Row> Ask(int runs)
    {
        var program = Find() ?? throw new BenchException("skipped: psmigrate is not built; dotnet build -c Release makes it.", isSkip: true);
        var source = SourceGuest.Random;
        using var hosted = Psmigrate.Source(program, SourceGuest.Size);
        // One each before it counts, so that both senders are compiled.
        ReceiverProcess.TakeCold(source);
        hosted.SendCold(program);
        List<double> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(ReceiverProcess.TakeCold(source).RateOf(SourceGuest.Size));
            ours.Add(SourceGuest.Size / hosted.SendCold(program).TotalSeconds / 1e9);
            Progress.Show(round, runs, ("bench GB/s", theirs[^1]), ("hosted", ours[^1]));
        }
        yield return Row.OfRates("2 GiB random, tcp loopback, cold destination, in psmigrate", "the same in the bench's processes", "GB/s", ours, theirs, target: null);
    }

    static string? Find()
    {
        var name = OperatingSystem.IsWindows() ? "psmigrate.exe" : "psmigrate";
        if (Repository.Root is not { } root) return null;
        return ((string[])["Release", "Debug"]).Select(configuration => Path.Combine(root, "src", "Shell", "bin", configuration, "net10.0", name))
            .FirstOrDefault(File.Exists);
    }
}
