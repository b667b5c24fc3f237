namespace PsMigrate.Engine.Model;

/// <summary>A trace of what a migration has told of itself. Pure.</summary>
static class TraceBuilder
{
    // QEMU's.
    const int MostThrottle = 99;

    public static MigrationTrace? Of(MigrationState state)
    {
        if (!state.Parameters.RecordTrace) return null;
        // Of several attempts the last one is the one that tells.
        var attempt = state.Iterations.Select(one => one.Attempt).LastOrDefault(1);
        var passes = state.Iterations.Where(one => one.Attempt == attempt).ToArray();
        var isOurs = state.QemuStates.Length == 0;
        var ended = passes.Where(one => !one.IsFinal && (one.Notes is not null || !isOurs)).ToArray();
        var notes = ended.Select(one => one.Notes).OfType<TraceNotes>().FirstOrDefault();
        var total = state.Current.TotalBytes;
        var layout = notes?.Layout ?? new TraceLayout(Math.Max(1, total / MigrationTrace.PageSize), [total / MigrationTrace.PageSize], [-1]);
        return new MigrationTrace
        {
            Name = state.Name, Source = isOurs ? TraceSource.Memory : TraceSource.Qemu, Timestamp = state.Result?.Timestamp ?? state.Timestamp,
            TotalBytes = total, Processors = notes?.Written.Length ?? 0,
            RegionPages = layout.RegionPages, UsedPages = layout.UsedPages, Owners = layout.Owners,
            Parameters = Kept(state.Parameters, isOurs ? state.Parameters.OwnPolicy : state.Parameters.EffectivePolicy), SetupTime = state.Current.SetupTime,
            RoundTrip = state.Phases.FirstOrDefault(phase => phase.Phase == MigrationPhase.Ping)?.Duration ?? TimeSpan.Zero,
            Passes = Passes(ended, state.Current.SetupTime, state.Parameters, isOurs), IsCut = ended.Length > MigrationTrace.MostPasses,
            Decisions = state.Decisions, Outcome = Outcome(state, passes),
        };
    }

    /// <summary>What counts for a replay is the policy that decided, by whichever parameter it came; credentials are nobody's business.</summary>
    static MigrationParameters Kept(MigrationParameters parameters, MigrationPolicy? policy) => parameters with
    {
        Policy = policy ?? BuiltInPolicies.Qemu, AutoConverge = false, ObserveOnly = parameters.ObserveOnly && policy is not null,
        // By which Adaptive may slow the guest down too.
        MaxThrottle = parameters.MaxThrottle ?? (parameters.AutoConverge ? MostThrottle : null),
        Tls = null, QemuTls = null, DestinationQmp = null, Promise = null, OnIterationTimeout = null,
    };

    static TracePass[] Passes(MigrationIteration[] ended, TimeSpan setup, MigrationParameters parameters, bool isOurs)
    {
        if (ended.Length == 0) return [];
        var began = ended[0].TotalTime - ended[0].Duration - setup;
        var passes = new List<TracePass>();
        MigrationIteration? before = null;
        foreach (var one in ended.Take(MigrationTrace.MostPasses))
        {
            passes.Add(Pass(one, before, one.TotalTime - one.Duration - began, parameters) with
            {
                // A QEMU has a rate, and no number, of what was written within a pass.
                DirtyPages = isOurs ? one.DirtyPages : (long)(one.DirtyRate * one.Duration.TotalSeconds / MigrationTrace.PageSize),
            });
            before = one;
        }
        return [.. passes];
    }

    static TracePass Pass(MigrationIteration one, MigrationIteration? before, TimeSpan start, MigrationParameters parameters) => new()
    {
        Number = one.Iteration, Start = start < TimeSpan.Zero ? TimeSpan.Zero : start, Duration = one.Duration, Busy = one.Notes?.Busy ?? TimeSpan.Zero,
        NormalPages = one.NormalPages - (before?.NormalPages ?? 0), ZeroPages = one.ZeroPages - (before?.ZeroPages ?? 0),
        SparsePages = one.SparsePages - (before?.SparsePages ?? 0), XbzrlePages = Differences(one) - Differences(before),
        Bytes = one.Bytes, RemainingBytes = one.RemainingBytes, Bandwidth = one.Bandwidth,
        MaxBandwidth = one.Notes?.MaxBandwidth ?? parameters.MaxBandwidth, DowntimeLimit = one.DowntimeLimit, ThrottlePercent = one.ThrottlePercent,
        UsesDifferences = one.Notes?.UsesDifferences ?? parameters.Xbzrle && one.Iteration > 1,
        Written = one.Notes?.Written ?? [], Held = one.Notes?.Held ?? [],
        Found = one.Notes?.Regions.Found ?? [], Looked = one.Notes?.Regions.Looked ?? [], LookedAt = one.Notes?.Regions.LookedAt ?? [],
    };

    /// <summary>Pages that went as differences. One whose difference is too long goes whole, and counts as such.</summary>
    static long Differences(MigrationIteration? one) => (one?.XbzrlePages ?? 0) - (one?.Xbzrle?.Overflow ?? 0);

    static TraceOutcome Outcome(MigrationState state, MigrationIteration[] passes)
    {
        var parts = state.Result?.DowntimeParts ?? DowntimeParts.Zero;
        var wentOver = state.Decisions.Any(one => one is { What: "Mode", To: "postcopy" }) || state.QemuStates.Contains("postcopy-active");
        return new TraceOutcome
        {
            State = state.State, WentOver = wentOver, TotalTime = state.Current.TotalTime, Downtime = parts.Total - parts.Verify - parts.Waiting,
            TransferredBytes = state.Current.TransferredBytes, FinalPages = passes is [.., { IsFinal: true } last] && !wentOver ? Math.Max(0, last.Pages) : 0,
            ThrottledTime = state.Result?.ThrottledTime ?? [], StalledTime = state.Result?.Postcopy is { } postcopy ? TimeSpan.FromTicks(postcopy.BlockedTimes.Sum(time => time.Ticks)) : null,
        };
    }
}
