using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM by TLS 1.3, both ends verified: against QEMU's own, and against what the framework makes of it by itself.</summary>
sealed class TlsQuestion : IQuestion
{
    public string Name => "tls";

    public string Text => "2 GiB random RAM, paused, TLS 1.3 over tcp loopback, one and two channels, prefaulted destination, against QEMU's TLS and a bare SslStream";

    public bool IsTarget => false;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var folder = new TlsFolder();
        using var receiver = new ReceiverProcess(ReceiverRole.Warm, tls: folder.Path);
        using var bare = new BareTls(folder, source.Guest.Memory.Ram);
        var rows = new List<Row>();
        foreach (var channels in new[] { 0, 2 }) rows.AddRange(Ask(runs, channels, source, folder, receiver, bare));
        return rows;
    }

    static Row[] Ask(int runs, int channels, SourceGuest source, TlsFolder folder, ReceiverProcess receiver, BareTls bare)
    {
        var asked = new MigrationParameters { Channels = channels, Peer = channels > 0 ? PeerKind.PsMigrate : PeerKind.Unknown };
        var connections = Math.Max(channels, 1);
        var machine = new QemuOptions(SourceGuest.Size) { Image = SourceGuest.RandomImage, TlsFolder = folder.Path };
        // The first ones touch the memory that the others find warm, and compile all ends.
        receiver.Take(source, asked with { Tls = folder.Client });
        bare.Copy(connections);
        List<MigrationRun> ours = [], theirs = [];
        List<double> copies = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(machine, isPrefaulted: true, asked));
            ours.Add(receiver.Take(source, asked with { Tls = folder.Client }));
            copies.Add(SourceGuest.Size / bare.Copy(connections).TotalSeconds / 1e9);
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("ours", Rate(ours[^1])), ("SslStream", copies[^1]));
        }
        var work = $"2 GiB random, TLS 1.3, tcp loopback, {(channels > 0 ? "two channels" : "one channel")}, prefaulted destination";
        var note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}";
        double[] rates = [.. ours.Select(Rate)];
        return
        [
            Row.OfRates(work, $"QEMU to QEMU, TLS{(channels > 0 ? ", multifd 2" : "")}, -mem-prealloc", "GB/s", rates, [.. theirs.Select(Rate)], 1.3) with { Subject = "tls", Note = note },
            Row.OfRates(work, $"bare SslStream, {(channels > 0 ? "two connections" : "one connection")}", "GB/s", rates, copies, 0.9) with { Subject = "tls", Note = note },
        ];
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
