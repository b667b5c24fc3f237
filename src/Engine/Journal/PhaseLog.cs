using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Journal;

/// <summary>Which phases a migration entered, when, how often and for how long. Written by its thread, read by any.</summary>
sealed class PhaseLog
{
    static readonly int Count = Enum.GetValues<MigrationPhase>().Length;

    readonly Lock _lock = new();
    readonly long _start = Stopwatch.GetTimestamp();
    // All room is made at once: phases that are entered while the guest stands allocate nothing.
    readonly Entry[] _entries = new Entry[Count];
    readonly List<MigrationPhase> _order = new(Count);
    readonly Stack<MigrationPhase> _open = new(Count);

    /// <summary>Called when a phase is entered, on the migration's thread: tests hold a migration there.</summary>
    public Action<MigrationPhase>? Entered { get; set; }

    /// <summary>The innermost phase that is open, or the last one.</summary>
    public MigrationPhase Current { get; private set; } = MigrationPhase.Connect;

    /// <summary>Since the start of the migration.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Runs one phase.</summary>
    public void Run(MigrationPhase phase, Action action) => Run(phase, action, static run => run());

    /// <inheritdoc cref="Run(MigrationPhase, Action)"/>
    public T Run<T>(MigrationPhase phase, Func<T> action) => Run(phase, action, static run => run());

    /// <summary>Runs one phase; with a static action nothing is allocated.</summary>
    public void Run<TState>(MigrationPhase phase, TState state, Action<TState> action) => Run(phase, (state, action), static run =>
    {
        run.action(run.state);
        return true;
    });

    /// <summary>Runs one phase. When it throws, <see cref="Current"/> stays at the phase that failed.</summary>
    public T Run<TState, T>(MigrationPhase phase, TState state, Func<TState, T> action)
    {
        var entered = Enter(phase);
        var failed = true;
        try
        {
            Entered?.Invoke(phase);
            var result = action(state);
            failed = false;
            return result;
        }
        finally
        {
            Leave(phase, entered, failed);
        }
    }

    /// <summary>
    /// Leaves whatever is open and enters this phase, or stays in it: for a migration that is told of its phases, one after the other,
    /// instead of going through them.
    /// </summary>
    public void MoveTo(MigrationPhase phase)
    {
        lock (_lock)
        {
            if (Current == phase && _open.Count > 0) return;
            while (_open.TryPeek(out var open)) Leave(open, _entries[(int)open].OpenSince, failed: true);
            Enter(phase);
        }
        Entered?.Invoke(phase);
    }

    /// <summary>Leaves the last phase.</summary>
    public void Close()
    {
        lock (_lock)
        {
            while (_open.TryPeek(out var open)) Leave(open, _entries[(int)open].OpenSince, failed: true);
        }
    }

    /// <summary>How long it was in a phase in all, as often as it has left it.</summary>
    public TimeSpan Spent(MigrationPhase phase)
    {
        lock (_lock) return _entries[(int)phase].Total;
    }

    public PhaseRecord[] Snapshot()
    {
        lock (_lock)
            return [.. _order.Select(phase =>
            {
                var entry = _entries[(int)phase];
                var running = entry.OpenSince == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(entry.OpenSince);
                return new PhaseRecord(phase, entry.First, entry.Total + running, entry.Count, entry.OpenSince != 0);
            })];
    }

    long Enter(MigrationPhase phase)
    {
        var now = Stopwatch.GetTimestamp();
        lock (_lock)
        {
            ref var entry = ref _entries[(int)phase];
            if (entry.Count++ == 0)
            {
                entry.First = Stopwatch.GetElapsedTime(_start, now);
                _order.Add(phase);
            }
            entry.OpenSince = now;
            _open.Push(phase);
            Current = phase;
        }
        return now;
    }

    void Leave(MigrationPhase phase, long entered, bool failed)
    {
        lock (_lock)
        {
            ref var entry = ref _entries[(int)phase];
            entry.Total += Stopwatch.GetElapsedTime(entered);
            entry.OpenSince = 0;
            _open.Pop();
            if (!failed && _open.TryPeek(out var outer)) Current = outer;
        }
    }

    struct Entry
    {
        public TimeSpan First;
        public TimeSpan Total;
        public int Count;
        public long OpenSince;
    }
}
