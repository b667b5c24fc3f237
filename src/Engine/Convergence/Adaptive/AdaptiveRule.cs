using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// The policy Adaptive: leaves a migration alone that comes to its end by itself, and else helps it by what the user permits, with what
/// costs the guest least: a brake for a pass or two, or postcopy. Asked at the end of each pass. Pure.
/// </summary>
static class AdaptiveRule
{
    // What a second of the guest's may save of the migration's time, for it to be worth it.
    const double Worth = 3;

    // A trend of one pass counts where that pass took long, and else of two.
    const double LongPass = 0.5;
    const int FewestSlow = 2;

    // Without a brake the next pass would leave less than this of what has to go: none is needed any more.
    const double Calm = 0.4;

    // A pass that leaves more than this of the least so far brought nothing.
    const double Progress = 0.97;
    const int MostVain = 2;
    const int MostVainAlone = 16;
    const double MostMargin = 12;

    // A vCPU that ran fewer slices in a pass tells nothing of how much it writes.
    const double FewestCycles = 3;

    // After a brake that brought nothing, passes; twice as many each time.
    const int Rest = 4;
    const int LongestRest = 16;

    public static (AdaptiveState State, AdaptiveChoice Choice) Decide(AdaptiveState state, in AdaptivePass pass, in AdaptiveBounds bounds)
    {
        if (pass.Bandwidth <= 0 || pass.Seconds <= 0 || state.HasGoneOver) return (state, AdaptiveChoice.GoOn);
        return state.Brake is { } brake ? Braked(state, brake, pass, bounds) : Free(state, pass, bounds);
    }

    /// <summary>The guest runs freely: whether that is to stay so.</summary>
    static (AdaptiveState, AdaptiveChoice) Free(AdaptiveState state, in AdaptivePass pass, in AdaptiveBounds bounds)
    {
        var seconds = AdaptiveTrend.Seconds(pass, state.Left);
        var isKnown = state.Left.Last is not null;
        var isSlow = isKnown && seconds > Worth * pass.Excess / pass.Bandwidth;
        var seen = state with
        {
            Left = (pass.Pending, state.Left.Last), Dirtying = DirtyingModel.Of(pass), Slow = isSlow ? state.Slow + 1 : 0,
        };
        if (pass.Excess <= 0) return (seen, Fits(pass));
        // Its end comes by itself, or it is too early to say.
        if (!isKnown || pass.AwaitsMeans || pass.Number <= state.RestsUntil) return (seen, AdaptiveChoice.GoOn);
        var isLate = double.IsFinite(seconds) && pass.Elapsed + seconds > bounds.Deadline;
        return isSlow || isLate ? Help(seen, pass, seconds, isLate, bounds) : (seen, AdaptiveChoice.GoOn);
    }

    static (AdaptiveState, AdaptiveChoice) Help(AdaptiveState state, in AdaptivePass pass, double seconds, bool isLate, in AdaptiveBounds bounds)
    {
        var because = Trend(pass, seconds, isLate, bounds);
        var isClear = state.Slow >= FewestSlow || isLate;
        var brake = bounds.MaxThrottle > 0 ? AdaptiveBraking.Plan(pass, state.Dirtying!, state.Margin, isCoarse: false, bounds) : null;
        var pays = brake is { IsEnough: true } && (isLate || seconds > Worth * brake.Loss);
        if (pays && (isClear || pass.Seconds >= LongPass)) return Begin(state, brake!, pass, because);
        if (!isClear) return (state, AdaptiveChoice.GoOn);
        if (bounds.MayGoOver && (isLate || seconds > Worth * pass.Pending / pass.Bandwidth)) return GoOver(state, pass, because, brake);
        // By the figures it is not enough; that it never ends is worse.
        return brake is { IsEnough: false } ? Begin(state, brake, pass, because) : (state, AdaptiveChoice.GoOn);
    }

    static (AdaptiveState, AdaptiveChoice) Begin(AdaptiveState state, AdaptiveBrake brake, in AdaptivePass pass, string because) =>
        (state with { Brake = brake, Least = pass.Excess, Vain = 0, IsCoarse = false, Slow = 0 },
            new AdaptiveChoice(AdaptiveAct.Brake, $"{because} {Plan(brake, pass)}"));

    static (AdaptiveState, AdaptiveChoice) GoOver(AdaptiveState state, in AdaptivePass pass, string because, AdaptiveBrake? brake)
    {
        var why = brake is null ? "The guest may not be slowed down" : "Slowing it down as far as it may be is not enough";
        return (state with { HasGoneOver = true }, new AdaptiveChoice(AdaptiveAct.GoOver,
            PolicyText.Format($"{because} {why}, and going over sends the {Megabytes(pass.Pending)} that are left once.")));
    }

    /// <summary>A pass with a brake has ended.</summary>
    static (AdaptiveState, AdaptiveChoice) Braked(AdaptiveState state, AdaptiveBrake brake, in AdaptivePass pass, in AdaptiveBounds bounds)
    {
        if (bounds.MaxThrottle == 0) return Release(state, pass, "The guest may not be slowed down any more.", failed: false);
        if (pass.Excess <= 0) return (state, Fits(pass));
        var cycle = brake.Slice * 100 / (100 - pass.MostHeld);
        var dirtying = pass.Seconds < FewestCycles * cycle ? state.Dirtying! : state.Dirtying!.With(pass.Freely(state.Dirtying.Rates.Length));
        var time = pass.Excess / pass.Bandwidth;
        if (dirtying.Distinct(dirtying.Rate * time) < Calm * pass.Excess)
            return Release(state, pass, "The guest writes less by now: it comes to its end by itself.", failed: false);
        var isVain = pass.Excess > Progress * state.Least;
        var seen = state with
        {
            Dirtying = dirtying, Vain = isVain ? state.Vain + 1 : 0, Least = Math.Min(state.Least, pass.Excess),
            // What another brake let it dirty says nothing of this one.
            Margin = !pass.Had(brake) ? state.Margin
                : Math.Clamp(state.Margin * pass.Dirtied / Math.Max(1, brake.Dirtied), AdaptiveState.FirstMargin, MostMargin),
        };
        return seen.Vain >= MostVain ? InVain(seen, pass, bounds) : Correct(seen, pass, bounds);
    }

    /// <summary>By the user's limit; the one in force may be lower.</summary>
    static AdaptiveChoice Fits(in AdaptivePass pass) =>
        new(AdaptiveAct.SwitchOver, $"The {Megabytes(pass.Pending)} that are left fit what the guest may stand still for.");

    static (AdaptiveState, AdaptiveChoice) Correct(AdaptiveState state, in AdaptivePass pass, in AdaptiveBounds bounds)
    {
        var brake = AdaptiveBraking.Plan(pass, state.Dirtying!, state.Margin, state.IsCoarse, bounds);
        return (state with { Brake = brake }, new AdaptiveChoice(AdaptiveAct.Brake, PolicyText.Format($"{Megabytes(pass.Pending)} are left, {Megabytes(pass.Fits)} fit. {Plan(brake, pass)}")));
    }

    /// <summary>The brake brings nothing: what may be done beyond it, or an end of it for a while.</summary>
    static (AdaptiveState, AdaptiveChoice) InVain(AdaptiveState state, in AdaptivePass pass, in AdaptiveBounds bounds)
    {
        var vain = PolicyText.Format($"{Megabytes(pass.Pending)} are left: the last {state.Vain} passes brought nothing with the guest slowed down by {state.Brake!.Most} %.");
        if (bounds.MayGoOver) return (state with { HasGoneOver = true }, new AdaptiveChoice(AdaptiveAct.GoOver, $"{vain} What is left goes once when the guest has gone over."));
        if (state.Vain >= MostVainAlone) return Release(state, pass, $"{vain} It is let go for a while.", failed: true);
        if (state.IsCoarse || !AdaptiveBraking.HasCoarse(bounds)) return Correct(state, pass, bounds);
        var brake = AdaptiveBraking.Plan(pass, state.Dirtying!, state.Margin, isCoarse: true, bounds);
        return (state with { Brake = brake, IsCoarse = true }, new AdaptiveChoice(AdaptiveAct.Brake,
            PolicyText.Format($"{vain} Its vCPUs sleep longer at a time, {brake.Slice * 1000 * brake.Most / (100 - brake.Most):0} ms, so that a pass fits into a sleep.")));
    }

    static (AdaptiveState, AdaptiveChoice) Release(AdaptiveState state, in AdaptivePass pass, string reason, bool failed)
    {
        var failures = state.Failures + (failed ? 1 : 0);
        var rest = failed ? Math.Min(LongestRest, Rest << Math.Min(failures - 1, 8)) : 0;
        return (AdaptiveState.Begin with { Failures = failures, RestsUntil = pass.Number + rest, Margin = state.Margin }, new AdaptiveChoice(AdaptiveAct.Release, reason));
    }

    static string Trend(in AdaptivePass pass, double seconds, bool isLate, in AdaptiveBounds bounds)
    {
        var left = $"{Megabytes(pass.Pending)} are left, {Megabytes(pass.Fits)} fit";
        if (double.IsInfinity(seconds)) return $"{left}, and by the last passes it does not get less.";
        return isLate
            ? PolicyText.Format($"{left}, and it would take {seconds:0.#} s more: -Timeout is {bounds.Deadline:0.#} s.")
            : PolicyText.Format($"{left}, and by the last passes it would take {seconds:0.#} s more.");
    }

    static string Plan(AdaptiveBrake brake, in AdaptivePass pass)
    {
        var what = PolicyText.Format($"The next pass takes {brake.Seconds:0.##} s, in which the guest dirties {Megabytes(brake.Dirtied)}");
        return brake.IsEnough
            ? $"{what}; it ends with {Megabytes(brake.Aim * pass.Fits)} still to go, so that both fit."
            : $"{what}: more may not be done, and may not be enough.";
    }

    static string Megabytes(double bytes) => PolicyText.Format($"{bytes / (1 << 20):0.#} MB");
}
