using System.Globalization;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What somebody decided while a migration was recorded, beside its policy: no replay knows to do that again. Pure.</summary>
static class TraceSteering
{
    // Of what was decided; a trace may come from anywhere, and be long.
    const int MostTold = 3;
    const int LongestTold = 40;

    /// <summary>Whether what happened came of that too, so that the same policy in a replay can't be held against it.</summary>
    public static bool IsSteered(MigrationTrace trace) =>
        Array.Exists(trace.Decisions, one => IsAnswer(one) || PolicyTrail.IsChange(one) || PolicyTrail.IsCompletion(one));

    /// <summary>In words.</summary>
    public static IEnumerable<string> Assumptions(MigrationTrace trace)
    {
        if (Told(trace, IsAnswer) is { } answers)
            yield return $"While it was recorded -OnIteration decided too ({answers}): a replay has the policy alone.";
        if (Told(trace, PolicyTrail.IsChange) is { } changes)
            yield return $"While it was recorded Set-Migration changed limits ({changes}): a replay begins with those of its end.";
        if (Told(trace, PolicyTrail.IsCompletion) is { } completions)
            yield return $"While it was recorded Complete-Migration had it switch over ({completions}): in a replay nobody does.";
    }

    /// <summary>Done, and not only asked for.</summary>
    static bool IsAnswer(MigrationDecision one) =>
        one is { Policy: MigrationDecision.OnIteration, IsObserved: false, What: not MigrationDecision.OnIteration, To: not "refused" } && one.From != one.To;

    static string? Told(MigrationTrace trace, Predicate<MigrationDecision> isOne)
    {
        var all = Array.FindAll(trace.Decisions, isOne);
        if (all.Length == 0) return null;
        var first = string.Join(", ", all.Take(MostTold).Select(Words));
        return all.Length <= MostTold ? first : string.Create(CultureInfo.InvariantCulture, $"{first}, and {all.Length - MostTold} more");
    }

    static string Words(MigrationDecision one) => string.Create(CultureInfo.InvariantCulture,
        $"{Short(one.What)} from {Short(one.From)} to {Short(one.To)} after {one.Time.TotalSeconds:0.0} s");

    static string Short(string text) => Printable.Text(text, LongestTold);
}
