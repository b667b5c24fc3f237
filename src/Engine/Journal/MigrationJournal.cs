using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Journal;

/// <summary>
/// What a migration tells of itself: passes, decisions, result. Written by its thread, read and waited for by any; the result comes
/// with the last pass, and nothing after it.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It is kept as long as somebody may ask; the event holds nothing of the system's unless waited for.")]
sealed class MigrationJournal
{
    readonly object _lock = new();
    readonly List<MigrationIteration> _iterations = [];
    readonly List<MigrationDecision> _decisions = [];
    readonly ManualResetEventSlim _ended = new();

    /// <summary>How it ended; null while it runs.</summary>
    public MigrationResult? Result
    {
        get { lock (_lock) return field; }
        private set;
    }

    /// <summary>The passes so far.</summary>
    public MigrationIteration[] Iterations
    {
        get { lock (_lock) return [.. _iterations]; }
    }

    /// <summary>What was decided so far.</summary>
    public MigrationDecision[] Decisions
    {
        get { lock (_lock) return [.. _decisions]; }
    }

    public void Decide(MigrationDecision decision)
    {
        lock (_lock) _decisions.Add(decision);
    }

    /// <summary>A pass has ended; the last one carries the result.</summary>
    public void Add(MigrationIteration iteration)
    {
        lock (_lock)
        {
            _iterations.Add(iteration);
            Result = iteration.Result;
            Monitor.PulseAll(_lock);
        }
        if (iteration.Result is not null) _ended.Set();
    }

    /// <summary>
    /// The end of a migration that could not make its last pass: whoever waits must learn of it. Nothing when it has ended.
    /// </summary>
    public void EndWith(MigrationResult result)
    {
        lock (_lock)
        {
            if (Result is not null) return;
            var last = _iterations.Count > 0 ? _iterations[^1] : null;
            Add(new MigrationIteration
            {
                Id = result.Id,
                Name = result.Name,
                State = result.State,
                Phase = MigrationPhase.Finish,
                Timestamp = result.Timestamp,
                Iteration = (last?.Iteration ?? 0) + 1,
                Attempt = last?.Attempt ?? 1,
                IsFinal = true,
                Result = result with { Iterations = _iterations.Count + 1 },
                Qemu = last?.Qemu ?? new QemuFigures(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
            });
        }
    }

    /// <inheritdoc cref="IMigrationRun.TryTakeIteration"/>
    public bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait)
    {
        var clock = Stopwatch.StartNew();
        lock (_lock)
        {
            while (next >= _iterations.Count)
            {
                iteration = null;
                var left = wait - clock.Elapsed;
                if (Result is not null || left <= TimeSpan.Zero) return false;
                Monitor.Wait(_lock, MigrationParameters.Bounded(left));
            }
            iteration = _iterations[next++];
            return true;
        }
    }

    /// <inheritdoc cref="IMigrationRun.Wait"/>
    public bool Wait(TimeSpan? timeout) =>
        _ended.Wait(timeout is { } limit && limit < MigrationParameters.LongestWait ? limit : Timeout.InfiniteTimeSpan);
}
