using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>What kind of step it is.</summary>
enum StepKind
{
    /// <summary>What an end does by itself once it can.</summary>
    Own,

    /// <summary>What a user decides, or a limit of time that is over.</summary>
    Choice,

    /// <summary>What nobody wants.</summary>
    Fault,
}

/// <summary>One step, and what it leads to.</summary>
readonly record struct Step(string Name, StepKind Kind, TwoEndsState Next);

/// <summary>Found while a step was made: what must never be.</summary>
sealed class BrokenRuleException(string message) : Exception(message);

/// <summary>
/// The protocol of our own ends (<see cref="Engine.Protocol.Handshake"/>), without bytes: what each end does with each message, and what
/// can happen to links, processes and users meanwhile. Written from the protocol, not from the code. This part is links and faults.
/// </summary>
sealed partial class TwoEndsModel(Flaw flaw)
{
    const byte Pages = 2;

    readonly List<Step> _steps = [];

    public static TwoEndsState Initial => new() { IsSame = true };

    /// <summary>All that can happen next.</summary>
    public IReadOnlyList<Step> Steps(TwoEndsState state)
    {
        _steps.Clear();
        AddSource(state);
        AddDestination(state);
        AddFaults(state);
        return _steps;
    }

    void Add(string name, StepKind kind, TwoEndsState next) => _steps.Add(new Step(name, kind, next));

    void Own(string name, TwoEndsState next) => Add(name, StepKind.Own, next);

    void Choice(string name, TwoEndsState next) => Add(name, StepKind.Choice, next);

    void AddFaults(TwoEndsState s)
    {
        // Before that there is no migration.
        if (s.Source == SourceStep.New) return;
        if (s.IsUp) Add("the link breaks", StepKind.Fault, s with { IsUp = false });
        // What was on its way over a link that is gone comes as far as it comes.
        if (!s.ToListener.IsEmpty && (!s.IsUp || s.IsSame)) Add("what goes to the listener is lost", StepKind.Fault, s with { ToListener = default });
        if (s.Stale != Forward.None) Own("what was late is lost", s with { Stale = Forward.None });
        if (!s.IsSourceOver)
            Add("the source's process dies", StepKind.Fault, Leave(s) with { Source = SourceStep.Dead, Held = HeldGuest.Gone });
        if (!s.IsDestinationDead)
            Add("the destination's process dies", StepKind.Fault,
                s with { Destination = DestinationStep.Dead, Ledger = LedgerEntry.None, IsUp = false, ToMigration = default, ToListener = default, Stale = Forward.None });
        if (s.Destination == DestinationStep.Dead) Add("another receiver takes its address", StepKind.Fault, s with { Destination = DestinationStep.Replaced });
    }

    /// <summary>From the source, over its connection.</summary>
    static TwoEndsState Send(TwoEndsState s, Forward message) => !s.IsUp ? s
        : s.IsSame ? s with { ToMigration = s.ToMigration.With((byte)message) }
        : s with { ToListener = s.ToListener.With((byte)message) };

    /// <summary>From the destination's migration.</summary>
    static TwoEndsState Answer(TwoEndsState s, Backward message) =>
        s.IsUp && s.IsSame ? s with { ToSource = s.ToSource.With((byte)message) } : s;

    /// <summary>From the destination's listener.</summary>
    static TwoEndsState AnswerThere(TwoEndsState s, Backward message) =>
        s.IsUp && !s.IsSame ? s with { ToSource = s.ToSource.With((byte)message) } : s;

    /// <summary>The destination's migration closes its link; what it said before may still be heard.</summary>
    static TwoEndsState Close(TwoEndsState s) => s with { IsUp = s.IsUp && !s.IsSame, ToMigration = default };

    /// <summary>The source leaves its connection. What it sent over it may still come.</summary>
    static TwoEndsState Leave(TwoEndsState s) => s with
    {
        IsUp = false,
        IsSame = false,
        ToSource = default,
        ToListener = default,
        Stale = s.ToListener.IsEmpty ? s.Stale : (Forward)s.ToListener.First,
    };

    /// <summary>The source connects to the listener, and says what for.</summary>
    static TwoEndsState Connect(TwoEndsState s, Forward message) => Send(Leave(s) with { IsUp = true }, message);

    static TwoEndsState Move(TwoEndsState s, params ReadOnlySpan<MigrationStatus> way)
    {
        foreach (var to in way)
        {
            if (!MigrationTransitions.IsLegal(s.Status, to)) throw new BrokenRuleException($"A migration can't go from {s.Status} to {to}.");
            s = s with { Status = to };
        }
        return s;
    }
}
