using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Replays;

/// <summary>What a migration took, and what its replay says. Seconds.</summary>
/// <param name="IsOwn">Whether it is the one that was recorded.</param>
/// <param name="Ended">Whether it ended within the limit.</param>
/// <param name="IsSaidToEnd">Whether the replay says so.</param>
/// <param name="Total">What it took.</param>
/// <param name="Said">What the replay says.</param>
sealed record ReplayOutcome(bool IsOwn, bool Ended, bool IsSaidToEnd, double Total, double Said)
{
    /// <summary>As a share of what it took.</summary>
    public double Error => Math.Abs(Said - Total) / Total;
}

/// <summary>Guests that migrate over tcp within this process, recorded and otherwise.</summary>
sealed class ReplayRun : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    static readonly TimeSpan Phase = TimeSpan.FromMilliseconds(500);
    const string Here = "bench-here";
    const string There = "bench-there";

    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions { Uri = Engine.Transport.MigrationUri.Parse("tcp:127.0.0.1:0"), HostName = There });

    /// <summary>Migrates it twice, and replays the first one as both.</summary>
    public IEnumerable<ReplayOutcome> Ask(ReplayCase one)
    {
        var recorded = Migrate(one, one.Recorded);
        // As it comes from a file.
        var trace = MigrationTrace.FromJson(recorded.Trace!.ToJson());
        yield return Outcome(trace, recorded, one.Recorded, isOwn: true);
        yield return Outcome(trace, Migrate(one, one.Other), one.Other, isOwn: false);
    }

    /// <summary>What a migration without a limit sends per second, with a trace and without, one after the other, the one with it first or second.</summary>
    public (double With, double Without) Cost(bool isFirst)
    {
        var one = new ReplayCase(512, GuestWorkload.Random, 32, 400, 0, 300, "Qemu", 0, "Qemu");
        var first = Rate(Migrate(one, isFirst ? one.Recorded : one.Other));
        var second = Rate(Migrate(one, isFirst ? one.Other : one.Recorded));
        return isFirst ? (first, second) : (second, first);

        static double Rate(MigrationState state) => state.Result!.TransferredBytes / state.Result.TotalTime.TotalSeconds;
    }

    public void Dispose() => _receiver.Dispose();

    static ReplayOutcome Outcome(MigrationTrace trace, MigrationState real, MigrationParameters parameters, bool isOwn)
    {
        var row = MigrationReplays.Compare(trace, [parameters.Policy!], new ReplayOptions { MaxBandwidth = parameters.MaxBandwidth, Timeout = Limit }).Last();
        return new ReplayOutcome(isOwn, real.State == MigrationStatus.Completed, row.Converged, real.Result!.TotalTime.TotalSeconds, row.TotalTime.TotalSeconds);
    }

    MigrationState Migrate(ReplayCase one, MigrationParameters parameters)
    {
        var guest = GuestRegistry.Create(one.Guest(Here));
        var isAtRest = false;
        using var phases = one.Phases ? new Timer(_ => guest.ThrottlePercent = (isAtRest = !isAtRest) ? 99 : 0, null, Phase, Phase) : null;
        try
        {
            // So that the machine has settled, and phases are not all alike.
            Thread.Sleep(300);
            var migration = Migration.Start(guest, _receiver.Uri, parameters with { Timeout = Limit });
            migration.Wait();
            return migration.GetState();
        }
        finally
        {
            foreach (var left in GuestRegistry.All.Where(left => left.Host is Here or There)) GuestRegistry.Remove(left);
        }
    }
}
