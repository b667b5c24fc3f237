using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Journal;

/// <summary>Which phases a migration entered, when, how often and for how long. Written by its thread, read by any.</summary>
sealed class PhaseLog
{
    readonly Lock _lock = new();
    readonly long _start = Stopwatch.GetTimestamp();
    readonly Dictionary<MigrationPhase, Entry> _entries = [];
    readonly List<MigrationPhase> _order = [];
    readonly Stack<MigrationPhase> _open = new();

    /// <summary>Called when a phase is entered, on the migration's thread: tests hold a migration there.</summary>
    public Action<MigrationPhase>? Entered { get; set; }

    /// <summary>The innermost phase that is open, or the last one.</summary>
    public MigrationPhase Current { get; private set; } = MigrationPhase.Connect;

    /// <summary>Since the start of the migration.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Runs one phase.</summary>
    public void Run(MigrationPhase phase, Action action) => Run(phase, () =>
    {
        action();
        return true;
    });

    /// <summary>Runs one phase. When it throws, <see cref="Current"/> stays at the phase that failed.</summary>
    public T Run<T>(MigrationPhase phase, Func<T> action)
    {
        var entered = Enter(phase);
        var failed = true;
        try
        {
            Entered?.Invoke(phase);
            var result = action();
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
            while (_open.TryPeek(out var open)) Leave(open, _entries[open].OpenSince, failed: true);
            Enter(phase);
        }
        Entered?.Invoke(phase);
    }

    /// <summary>Leaves the last phase.</summary>
    public void Close()
    {
        lock (_lock)
        {
            while (_open.TryPeek(out var open)) Leave(open, _entries[open].OpenSince, failed: true);
        }
    }

    public PhaseRecord[] Snapshot()
    {
        lock (_lock)
            return [.. _order.Select(phase =>
            {
                var entry = _entries[phase];
                var running = entry.OpenSince == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(entry.OpenSince);
                return new PhaseRecord(phase, entry.First, entry.Total + running, entry.Count, entry.OpenSince != 0);
            })];
    }

    long Enter(MigrationPhase phase)
    {
        var now = Stopwatch.GetTimestamp();
        lock (_lock)
        {
            if (!_entries.TryGetValue(phase, out var entry))
            {
                entry = new Entry { First = Stopwatch.GetElapsedTime(_start, now) };
                _entries.Add(phase, entry);
                _order.Add(phase);
            }
            entry.Count++;
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
            var entry = _entries[phase];
            entry.Total += Stopwatch.GetElapsedTime(entered);
            entry.OpenSince = 0;
            _open.Pop();
            if (!failed && _open.TryPeek(out var outer)) Current = outer;
        }
    }

    sealed class Entry
    {
        public TimeSpan First;
        public TimeSpan Total;
        public int Count;
        public long OpenSince;
    }
}
