using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Goes through a recorded migration once more in virtual time, with other parameters: the guest writes as it did, the link carries what it
/// did, and the policy decides anew (docs/convergence.md). Pure.
/// </summary>
static class Replayer
{
    /// <summary>With what a replay can't do without. Throws NothingToReplay.</summary>
    public static void Check(MigrationTrace trace, ReplayOptions options)
    {
        if (trace.Passes.Length == 0 || trace.Passes.Sum(pass => pass.Duration.TotalSeconds) <= 0)
            throw new MigrationException(MigrationErrorId.NothingToReplay, MigrationSide.User,
                $"In the trace of {trace.Name} no pass has ended: what the guest writes is not known.");
        if (options.Bandwidth is null && TraceLink.Bandwidth(trace) <= 0)
            throw new MigrationException(MigrationErrorId.NothingToReplay, MigrationSide.User,
                $"The trace of {trace.Name} does not show what the link carries: give -Bandwidth.");
    }

    /// <summary>What was asked for, with what is to differ.</summary>
    public static MigrationParameters With(MigrationParameters recorded, MigrationPolicy policy, ReplayOptions options) => recorded with
    {
        Policy = policy, AutoConverge = false, ObserveOnly = false,
        MaxDowntime = options.MaxDowntime ?? recorded.MaxDowntime, MaxThrottle = options.MaxThrottle ?? recorded.MaxThrottle,
        // The first step of auto-converge is no larger than the last.
        ThrottleInitial = options.MaxThrottle is { } most && recorded.ThrottleInitial > most ? null : recorded.ThrottleInitial,
        MaxBandwidth = options.MaxBandwidth ?? recorded.MaxBandwidth, Postcopy = options.Postcopy || recorded.Postcopy,
        Timeout = options.Timeout ?? recorded.Timeout, OnTimeout = options.OnTimeout ?? recorded.OnTimeout,
        Verify = false, KeepSource = false, PauseBeforeSwitchover = false, Retries = 0,
    };

    /// <summary>How it would have gone.</summary>
    public static PolicyReplay Replay(MigrationTrace trace, MigrationParameters parameters, ReplayOptions options, string name)
    {
        var sender = TraceLink.Sender(trace);
        var scenario = Scenario(trace, parameters, options, sender);
        var guest = new ReplayGuest(trace, sender.Setup);
        var memory = new ReplayMemory(guest, sender.LooksAgain, sender.Setup);
        var processors = Math.Max(1, trace.Processors);
        var policy = new ReplayPolicy(parameters, guest, processors, trace.Source != TraceSource.Memory);
        var run = PrecopySimulation.Run(scenario, memory, policy);
        var total = run.TotalTime.TotalSeconds;
        var held = guest.HeldAt(total);
        var replay = new PolicyReplay
        {
            Name = trace.Name, Policy = name, End = End(run.End), TotalTime = run.TotalTime, TransferredBytes = (long)Math.Min(run.Bytes, TraceFields.Most),
            Downtime = run.End is PrecopyEnd.SwitchedOver or PrecopyEnd.WentOver ? run.Downtime : null, 
            Passes = [.. run.Passes.Select((pass, at) => new ForecastPass(at + 1, pass.Duration, (long)pass.Bytes, (long)pass.Remaining))], ThrottledTime = held,
            Slowdown = total <= 0 ? 0 : Math.Clamp(held.Average(time => time.TotalSeconds) / total, 0, 1), Decisions = policy.Decisions, Answer = "",
        };
        return run.End == PrecopyEnd.WentOver ? Follow(replay, trace, scenario, parameters, guest, memory) : replay;
    }

    static PrecopyScenario Scenario(MigrationTrace trace, MigrationParameters parameters, ReplayOptions options, SenderModel sender)
    {
        var reached = new ReachedLimit(trace);
        var isAdaptive = trace.Source == TraceSource.Memory && parameters is { Means: MigrationMeans.Adaptive, Channels: 0 };
        return new PrecopyScenario
        {
            // The guest is the trace; of the curve only the size of the memory is looked at.
            Curve = new DirtyCurve { Points = [], TotalBytes = trace.TotalBytes, UsedBytes = trace.UsedBytes },
            Bandwidth = options.Bandwidth ?? TraceLink.Bandwidth(trace), MaxBandwidth = parameters.MaxBandwidth, SwitchoverBandwidth = parameters.SwitchoverBandwidth,
            MaxDowntime = parameters.MaxDowntime, Sender = sender, Shares = TraceLink.Shares(trace), CountsPages = isAdaptive, Differences = TraceLink.Differences(trace),
            Reached = reached.At,
        };
    }

    /// <summary>The memory of a guest that went over.</summary>
    static PolicyReplay Follow(
        PolicyReplay replay, MigrationTrace trace, PrecopyScenario scenario, MigrationParameters parameters, ReplayGuest guest, ReplayMemory memory)
    {
        var now = replay.TotalTime.TotalSeconds;
        // A throttle ends with the precopy.
        guest.SetThrottles(now, []);
        var rate = parameters.MaxPostcopyBandwidth > 0 ? Math.Min(parameters.MaxPostcopyBandwidth, scenario.Bandwidth) : scenario.Bandwidth;
        var cost = PostcopyModel.Of(
            guest, [.. memory.Missing], now, rate, scenario.Shares.Rewritten ?? scenario.Shares.Fresh, TraceLink.RoundTrip(trace), Math.Max(1, trace.Processors));
        return replay with
        {
            TotalTime = replay.TotalTime + TimeSpan.FromSeconds(Math.Min(cost.Time, TraceFields.Longest)), StalledTime = TimeSpan.FromSeconds(Math.Min(cost.Stalled, TraceFields.Longest)),
            TransferredBytes = (long)Math.Min(replay.TransferredBytes + cost.Bytes, TraceFields.Most),
        };
    }

    static ReplayEnd End(PrecopyEnd end) => end switch
    {
        PrecopyEnd.SwitchedOver => ReplayEnd.SwitchedOver,
        PrecopyEnd.WentOver => ReplayEnd.WentOver,
        PrecopyEnd.Cancelled => ReplayEnd.Cancelled,
        PrecopyEnd.BrokenOff => ReplayEnd.Unknown,
        _ => ReplayEnd.Never,
    };
}
