using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What was said to a pass: actions, or why there are none.</summary>
/// <param name="Iteration">To which pass.</param>
/// <param name="Actions">In their order; empty where nothing is to be done.</param>
/// <param name="Failure">Why there is no answer; null where there is one.</param>
sealed record IterationAnswer(int Iteration, PolicyAction[] Actions, MigrationException? Failure)
{
    /// <summary>Whether whoever is asked was not, since a later pass had ended by then.</summary>
    public bool IsPassedOver { get; init; }
}

/// <summary>
/// Somebody outside is asked about each pass, and nobody waits for the answer: one that is not there in time counts for nothing. Whoever needs
/// longer than passes take leaves some out. What goes wrong in a row is told once, and that passes are left out once. Knows no clock. Thread-safe.
/// </summary>
sealed class IterationAnswers
{
    // Of passes so short that more are asked about within the time allowed, the oldest are given up.
    const int MostOpen = 1000;

    readonly Lock _lock = new();
    readonly List<(int Iteration, TimeSpan Due)> _open = [];
    readonly List<IterationAnswer> _ready = [];
    MigrationException? _told;
    bool _hasToldPassedOver;

    /// <summary>A pass has ended, and the answer has to be there by then. To be called before anybody sees the pass.</summary>
    public void Ask(int iteration, TimeSpan due)
    {
        lock (_lock)
        {
            if (_open.Count == MostOpen) GiveUp(0);
            _open.Add((iteration, due));
        }
    }

    /// <summary>Whether an answer would be in time. Whoever is to give it gives none to passes before this one any more, and they are not missed.</summary>
    public bool Awaits(int iteration, TimeSpan now)
    {
        lock (_lock)
        {
            Expire(now);
            var at = _open.FindIndex(one => one.Iteration == iteration);
            if (at > 0) PassOver(at);
            return at >= 0;
        }
    }

    /// <summary>An answer. False when it came too late, or nobody asked.</summary>
    public bool Put(IterationAnswer answer, TimeSpan now)
    {
        lock (_lock)
        {
            Expire(now);
            var at = _open.FindIndex(one => one.Iteration == answer.Iteration);
            if (at < 0) return false;
            _open.RemoveAt(at);
            if (answer.Failure is { } failure) Fail(answer.Iteration, failure);
            else Ready(answer);
            return true;
        }
    }

    /// <summary>What came since the last look, what failed and what did not come, in this order of time.</summary>
    public IReadOnlyList<IterationAnswer> Take(TimeSpan now)
    {
        lock (_lock)
        {
            Expire(now);
            if (_ready.Count == 0) return [];
            IterationAnswer[] taken = [.. _ready];
            _ready.Clear();
            return taken;
        }
    }

    void Expire(TimeSpan now)
    {
        while (_open.Count > 0 && _open[0].Due <= now) GiveUp(0);
    }

    void GiveUp(int at)
    {
        var iteration = _open[at].Iteration;
        _open.RemoveAt(at);
        Fail(iteration, new MigrationException(MigrationErrorId.OnIterationLate, MigrationSide.User,
            "There was no answer in time. The migration goes on, and one that comes later counts for nothing."));
    }

    void PassOver(int count)
    {
        if (!_hasToldPassedOver) _ready.Add(new IterationAnswer(_open[0].Iteration, [], Failure: null) { IsPassedOver = true });
        _hasToldPassedOver = true;
        _open.RemoveRange(0, count);
    }

    void Ready(IterationAnswer answer)
    {
        _told = null;
        if (answer.Actions.Length > 0) _ready.Add(answer);
    }

    void Fail(int iteration, MigrationException failure)
    {
        if (_told is { } told && (told.Id, told.Message) == (failure.Id, failure.Message)) return;
        _told = failure;
        _ready.Add(new IterationAnswer(iteration, [], failure));
    }
}
