using System.Globalization;

namespace PsMigrate.Bench.Peers;

/// <summary>One migration, ours or a QEMU's, by its own figures.</summary>
/// <param name="Total">From its start to its end.</param>
/// <param name="Downtime">How long the guest stood, as the source has it.</param>
/// <param name="Bytes">Sent over the link.</param>
/// <param name="SourceCpu">Processor time of the sending process, user and system.</param>
/// <param name="TargetCpu">Processor time of the receiving process.</param>
/// <param name="Blackout">From the guest's last sign of life at the source to its first at the destination; of a guest that runs.</param>
sealed record MigrationRun(TimeSpan Total, TimeSpan Downtime, long Bytes, TimeSpan SourceCpu, TimeSpan TargetCpu, TimeSpan? Blackout = null)
{
    /// <summary>Processor time of both.</summary>
    public TimeSpan Cpu => SourceCpu + TargetCpu;

    /// <summary>So much RAM in the time, GB/s.</summary>
    public double RateOf(long ram) => ram / Total.TotalSeconds / 1e9;

    /// <summary>Where its time went, as far as is known: medians of several.</summary>
    public static string Breakdown(string whose, IReadOnlyCollection<MigrationRun> runs)
    {
        double Median(Func<MigrationRun, double> of) => Report.Series.Of([.. runs.Select(of)]).Median;
        return string.Create(CultureInfo.InvariantCulture,
            $"{whose}: CPU {Median(run => run.SourceCpu.TotalSeconds):0.00} + {Median(run => run.TargetCpu.TotalSeconds):0.00} s in {Median(run => run.Total.TotalSeconds):0.00} s, {Median(run => run.Bytes / 1e6):0} MB");
    }
}
