using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>Every state that can be reached, breadth first, so that the way to the first one that breaks a rule is a shortest one.</summary>
sealed class TwoEndsExplorer
{
    readonly TwoEndsModel _model;
    readonly Dictionary<TwoEndsState, (TwoEndsState From, string Name)> _reached = [];
    readonly Dictionary<TwoEndsState, List<TwoEndsState>> _before = [];
    readonly List<TwoEndsState> _over = [];

    public TwoEndsExplorer(Flaw flaw) => _model = new TwoEndsModel(flaw);

    public int Count => _reached.Count;

    public int Steps { get; private set; }

    /// <summary>The states in which all is over.</summary>
    public IReadOnlyList<TwoEndsState> Over => _over;

    public IEnumerable<TwoEndsState> Reached => _reached.Keys;

    /// <summary>The first rule that is broken, and how that comes about; null when none is.</summary>
    public string? Explore()
    {
        var next = new Queue<TwoEndsState>();
        _reached[TwoEndsModel.Initial] = default;
        next.Enqueue(TwoEndsModel.Initial);
        while (next.TryDequeue(out var state))
        {
            try
            {
                Visit(state, next);
            }
            catch (BrokenRuleException e)
            {
                return $"{e.Message}\n{Way(state)}";
            }
        }
        return FindStuck() is { } stuck ? $"It is never over.\n{Way(stuck)}" : null;
    }

    void Visit(TwoEndsState state, Queue<TwoEndsState> next)
    {
        Rules.Check(state);
        var isAtRest = true;
        foreach (var (name, kind, after) in _model.Steps(state))
        {
            Steps++;
            isAtRest &= kind != StepKind.Own || after == state;
            if (_reached.TryAdd(after, (state, name))) next.Enqueue(after);
            if (kind == StepKind.Fault) continue;
            if (!_before.TryGetValue(after, out var before)) _before[after] = before = [];
            before.Add(state);
        }
        if (isAtRest) Rules.CheckAtRest(state);
        if (!state.IsOver) return;
        Rules.CheckOver(state);
        _over.Add(state);
    }

    /// <summary>A state out of which no end is reached unless something breaks; or null.</summary>
    TwoEndsState? FindStuck()
    {
        var ends = new HashSet<TwoEndsState>(_over);
        var next = new Queue<TwoEndsState>(_over);
        while (next.TryDequeue(out var state))
            foreach (var before in _before.GetValueOrDefault(state) ?? [])
                if (ends.Add(before)) next.Enqueue(before);
        foreach (var state in _reached.Keys)
            if (!ends.Contains(state)) return state;
        return null;
    }

    /// <summary>The steps that lead there.</summary>
    string Way(TwoEndsState to)
    {
        var names = new List<string> { to.ToString() };
        for (var at = to; at != TwoEndsModel.Initial; at = _reached[at].From) names.Add(_reached[at].Name);
        names.Reverse();
        return string.Join("\n", names);
    }

    /// <summary>What holds whatever happens.</summary>
    static class Rules
    {
        /// <summary>In every state.</summary>
        public static void Check(TwoEndsState s)
        {
            if (s.RunsAtSource && s.RunsAtDestination) throw new BrokenRuleException("The guest runs twice.");
            if (s.RunsAtSource && s.HasRunThere) throw new BrokenRuleException("The guest runs at the source again, as if it had never run elsewhere.");
            if (s.Destination == DestinationStep.Lost && s.Missing == 0) throw new BrokenRuleException("A guest of which nothing is missing is lost.");
        }

        /// <summary>Where nothing happens any more unless a user wants it or something breaks.</summary>
        public static void CheckAtRest(TwoEndsState s)
        {
            if (s.IsSourceOver && !s.IsDestinationOver && s.Destination != DestinationStep.Paused)
                throw new BrokenRuleException("The destination waits for a source that is gone.");
            if (s.RunsAtSource || s.RunsAtDestination) return;
            // It went with the process that had it.
            if (s.Source == SourceStep.Dead) return;
            if (s.IsDestinationDead && s is { Source: SourceStep.Ended, Location: GuestLocation.Destination }) return;
            if (s is { Source: SourceStep.Ended, Location: GuestLocation.Lost or GuestLocation.InDoubt }) return;
            // Waits for an answer that never comes, or to be given up, after what the other end had is gone.
            if (s.IsDestinationDead && s.Source is SourceStep.Settling or SourceStep.Paused) return;
            throw new BrokenRuleException("The guest runs nowhere, and nobody says so.");
        }

        /// <summary>In every state in which all is over, the source says where the guest is, and is right.</summary>
        public static void CheckOver(TwoEndsState s)
        {
            if (s.Source == SourceStep.Dead) return;
            var isRight = s.Location switch
            {
                GuestLocation.Source => s.RunsAtSource,
                GuestLocation.Destination => !s.RunsAtSource && (s.Destination == DestinationStep.Whole || s.IsDestinationDead),
                GuestLocation.Lost => !s.RunsAtSource && !s.RunsAtDestination,
                _ => s is { Location: GuestLocation.InDoubt, RunsAtSource: false },
            };
            if (!isRight) throw new BrokenRuleException($"The source says that the guest is {s.Location}.");
            if (!MigrationTransitions.IsEnded(s.Status)) throw new BrokenRuleException($"It is over, and the migration is {s.Status}.");
            if (s.Status == MigrationStatus.Completed != (s.Location == GuestLocation.Destination))
                throw new BrokenRuleException($"A migration that is {s.Status} leaves the guest {s.Location}.");
        }
    }
}
