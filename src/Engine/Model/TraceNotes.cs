namespace PsMigrate.Engine.Model;

/// <summary>In what regions memory is told, and what is known of them from the start.</summary>
/// <param name="RegionPages">Pages of each; the last one may have fewer.</param>
/// <param name="UsedPages">Of each, those that might hold something.</param>
/// <param name="Owners">Of each, the vCPU that alone writes there, or -1.</param>
sealed record TraceLayout(long RegionPages, long[] UsedPages, int[] Owners);

/// <summary>What was found in the dirty log in a pass, by region; as in <see cref="TracePass"/>.</summary>
sealed record RegionCounts(int[] Found, int[] Looked, double[] LookedAt);

/// <summary>What a pass leaves for a trace beside its figures. All of the pass alone.</summary>
/// <param name="Layout">The regions; the same in all passes.</param>
/// <param name="Regions">What was found there.</param>
/// <param name="Busy">How long pages were sent.</param>
/// <param name="MaxBandwidth">What was allowed, bytes/s; 0 is no limit.</param>
/// <param name="UsesDifferences">Whether differences were sent.</param>
/// <param name="Written">What each vCPU wrote, bytes.</param>
/// <param name="Held">How long each was held back.</param>
sealed record TraceNotes(
    TraceLayout Layout, RegionCounts Regions, TimeSpan Busy, long MaxBandwidth, bool UsesDifferences, long[] Written, TimeSpan[] Held);
