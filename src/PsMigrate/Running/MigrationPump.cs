using System.Diagnostics;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Running;

/// <summary>One guest that is to be migrated, as the user asked for it.</summary>
sealed class MigrationRequest(Guest guest, MigrationUri destination, MigrationParameters parameters)
{
    public Guest Guest => guest;

    public MigrationUri Destination => destination;

    public MigrationParameters Parameters => parameters;

    /// <summary>The file for its trace; null keeps none.</summary>
    public string? TracePath { get; init; }
}

/// <summary>What a pump tells about. All calls come from the thread that runs the pump.</summary>
interface IMigrationSink
{
    /// <summary>A migration has begun.</summary>
    void Started(MigrationRequest request, Migration migration);

    /// <summary>A migration could not begin; nothing was changed.</summary>
    void NotStarted(MigrationRequest request, MigrationException error);

    /// <summary>A pass has ended. The last one of a migration carries its result.</summary>
    void Passed(MigrationRequest request, MigrationIteration iteration);

    /// <summary>How things stand, about five times a second.</summary>
    void Progressed(MigrationRequest request, MigrationState state);

    /// <summary>A migration that can't be taken back goes on, though nothing more will be told of it.</summary>
    void GoesOn(MigrationRequest request, MigrationState state);

    /// <summary>The trace of a migration that has ended could not be written.</summary>
    void NotKept(MigrationRequest request, MigrationException error);

    /// <summary>A migration has ended, and all its passes have been told.</summary>
    void Ended(MigrationRequest request, MigrationState state);
}

/// <summary>
/// Runs some migrations, so many at a time, and tells of each pass as it happens. Whoever disposes of it early ends what runs: the
/// migrations are cancelled, which brings the guests back to the source, and waited for; the rest is not begun.
/// </summary>
sealed class MigrationPump(IEnumerable<MigrationRequest> requests, int limit, IMigrationSink sink) : IDisposable
{
    // A cancel takes milliseconds; one that came too late takes as long as the destination needs to load. Nobody waits for ever.
    public static readonly TimeSpan EndingTime = TimeSpan.FromSeconds(30);

    static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(200);

    readonly Lock _lock = new();
    readonly LinkedList<MigrationRequest> _waiting = new(requests);
    readonly List<Entry> _running = [];

    /// <summary>Whether all have ended.</summary>
    public bool IsDone
    {
        get { lock (_lock) return _waiting.Count == 0 && _running.Count == 0; }
    }

    /// <summary>Starts as many as may run at a time.</summary>
    public void Fill()
    {
        while (TryStart(out var entry, out var failed))
        {
            if (entry is not null) sink.Started(entry.Request, entry.Migration);
            else sink.NotStarted(failed!.Value.Request, failed.Value.Error);
        }
    }

    /// <summary>Tells what has happened since the last call; waits for it at most so long.</summary>
    public void Step(TimeSpan wait)
    {
        Fill();
        var running = Running();
        foreach (var entry in running)
        {
            TellPasses(entry, wait / running.Length);
            if (!entry.Migration.HasMoreIterations)
            {
                lock (_lock) _running.Remove(entry);
                sink.Ended(entry.Request, entry.Migration.GetState());
            }
            else if (Stopwatch.GetElapsedTime(entry.Reported) >= ReportInterval)
            {
                entry.Reported = Stopwatch.GetTimestamp();
                sink.Progressed(entry.Request, entry.Migration.GetState());
            }
        }
    }

    /// <summary>
    /// The wait is shared out: with one migration a pass is told the moment it ends, with several within the whole wait. Whoever takes passes may be slower
    /// than they come: then the others, and what else there is to tell, have their turn in between.
    /// </summary>
    void TellPasses(Entry entry, TimeSpan wait)
    {
        if (!entry.Migration.TryTakeIteration(out var iteration, wait)) return;
        var began = Stopwatch.GetTimestamp();
        do
        {
            // Whoever takes the last pass finds the file.
            if (iteration.IsFinal && !TryKeep(entry, out var error)) sink.NotKept(entry.Request, error!);
            sink.Passed(entry.Request, iteration);
        }
        while (Stopwatch.GetElapsedTime(began) < ReportInterval && entry.Migration.TryTakeIteration(out iteration, TimeSpan.Zero));
    }

    /// <summary>Takes a request back. True when it had not begun, and will not.</summary>
    public bool Withdraw(MigrationRequest request)
    {
        lock (_lock) return _waiting.Remove(request);
    }

    /// <summary>Begins nothing more, cancels what runs, and waits until it has ended; what is in postcopy goes on without this.</summary>
    public void Dispose()
    {
        lock (_lock) _waiting.Clear();
        var running = Running();
        // All first: they end side by side.
        foreach (var entry in running) entry.Migration.Cancel(wait: false);
        var clock = Stopwatch.StartNew();
        foreach (var entry in running)
        {
            if (!AwaitEnd(entry.Migration, EndingTime - clock.Elapsed)) sink.GoesOn(entry.Request, entry.Migration.GetState());
            // Nobody takes an error any more.
            else TryKeep(entry, out _);
        }
        lock (_lock) _running.Clear();
    }

    /// <summary>Waits for the end of a migration that was cancelled. False when it has gone over to postcopy, which nobody can cancel.</summary>
    public static bool AwaitEnd(Migration migration, TimeSpan limit)
    {
        for (var clock = Stopwatch.StartNew(); !migration.Wait(Commands.EngineCmdlet.Tick);)
        {
            if (MigrationTransitions.IsPostcopy(migration.Status)) return false;
            if (clock.Elapsed > limit) return true;
        }
        return true;
    }

    static bool TryKeep(Entry entry, out MigrationException? error)
    {
        error = null;
        try
        {
            if (entry.Request.TracePath is { } path) entry.Migration.GetState().Trace?.Save(path);
        }
        catch (MigrationException e)
        {
            error = e;
        }
        return error is null;
    }

    bool TryStart(out Entry? started, out (MigrationRequest Request, MigrationException Error)? failed)
    {
        (started, failed) = (null, null);
        lock (_lock)
        {
            if (_running.Count >= limit || _waiting.First is not { } next) return false;
            _waiting.RemoveFirst();
            try
            {
                started = new Entry(next.Value, Migration.Start(next.Value.Guest, next.Value.Destination, next.Value.Parameters));
                _running.Add(started);
            }
            catch (MigrationException error)
            {
                failed = (next.Value, error);
            }
            return true;
        }
    }

    Entry[] Running()
    {
        lock (_lock) return [.. _running];
    }

    sealed class Entry(MigrationRequest request, Migration migration)
    {
        public MigrationRequest Request => request;

        public Migration Migration => migration;

        public long Reported { get; set; }
    }
}
