using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Matrix;

/// <summary>This process as the source, and a process of its own as the destination, over tcp. One that failed is started anew.</summary>
sealed class MatrixPair : IDisposable
{
    const int Rounds = 5;
    static readonly Scenario Plain = new(256, GuestLoad.Idle, 0, 0, 0, 300);

    ReceiverProcess _receiver = new(ReceiverRole.Cold);
    double? _bandwidth;

    /// <summary>Where guests go.</summary>
    public MigrationUri Uri => _receiver.Uri;

    /// <summary>What the link carries, bytes/s: the median of some migrations without a limit, of which the first ones warm everything up.</summary>
    public double Bandwidth => _bandwidth ??= MeasureBandwidth();

    /// <summary>Migrates a guest, looks at the memory that came, and tells all about it. A migration that does not end is cut off.</summary>
    /// <param name="loaded">The guest; it stays as a copy.</param>
    /// <param name="parameters">What is asked for.</param>
    /// <param name="limit">When it is cut off.</param>
    public MigrationState Migrate(LoadedGuest loaded, MigrationParameters parameters, TimeSpan limit) => MigrateCounted(loaded, parameters, limit).State;

    /// <summary>The same, with what the guest had written in all when it ended here.</summary>
    public (MigrationState State, long Written) MigrateCounted(LoadedGuest loaded, MigrationParameters parameters, TimeSpan limit)
    {
        var migration = Migration.Start(loaded.Guest, Uri, parameters with { KeepSource = true, Timeout = limit });
        migration.Wait();
        var (state, written) = (migration.GetState(), loaded.Written);
        if (state.Result!.State == MigrationStatus.Completed)
        {
            loaded.Check(_receiver.ReadArrival(digest: null));
            return (state, written);
        }
        if (state.Error is { Id: not MigrationErrorId.Timeout } error) throw new BenchException($"our migration failed: {error.Message}");
        // What it says of a guest that did not come would be taken for the next one.
        _receiver.Dispose();
        _receiver = new ReceiverProcess(ReceiverRole.Cold);
        return (state, written);
    }

    public void Dispose() => _receiver.Dispose();

    double MeasureBandwidth()
    {
        var rates = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            using var loaded = new LoadedGuest(Plain);
            var state = Migrate(loaded, Plain.Parameters, MatrixOptions.Limit);
            rates.Add(state.Iterations.Select(pass => pass.Bandwidth).Append(state.Result!.TransferredBytes / state.Result.TotalTime.TotalSeconds).Max());
        }
        var median = Series.Of(rates).Median;
        Console.WriteLine($"  the link carries {median / (1 << 20):0} MiB/s");
        return median;
    }
}
