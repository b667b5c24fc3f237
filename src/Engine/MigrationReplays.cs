using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>Recorded migrations gone through once more, under other policies. Nothing is sent, and no guest is needed.</summary>
public static class MigrationReplays
{
    /// <summary>
    /// What happened, and then what would have under each policy, one row after the other as they are asked for. Throws NothingToReplay,
    /// InvalidParameter, InvalidPolicy at once.
    /// </summary>
    /// <param name="trace">What was recorded (MigrationParameters.RecordTrace).</param>
    /// <param name="policies">The policies.</param>
    /// <param name="options">What else is to differ.</param>
    public static IEnumerable<PolicyReplay> Compare(MigrationTrace trace, IReadOnlyList<MigrationPolicy> policies, ReplayOptions? options = null) =>
        ReplayComparison.Of(trace, policies, options ?? new ReplayOptions());
}
