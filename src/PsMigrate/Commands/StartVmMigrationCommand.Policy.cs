using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>How a migration is helped to its end, and how far that may go.</summary>
public sealed partial class StartVmMigrationCommand
{
    /// <summary>Rules for the way.</summary>
    [Parameter(HelpMessage = "How the migration is helped to its end: the name of a built-in policy (Adaptive, Qemu, AutoConverge, DirtyLimit, "
        + "StallAware, DowntimeRamp), or one of New-MigrationPolicy. None goes beyond -MaxDowntime, -MaxThrottle and -MaxBandwidth. Adaptive by default, "
        + "which slows the guest down only with -MaxThrottle and goes over only with -Postcopy; for guests of a QEMU Qemu.")]
    [Policy]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public MigrationPolicy? Policy { get; set; }

    /// <summary>A script for the way.</summary>
    [Parameter(HelpMessage = "Is called for each pass as it ends, and decides: param($iteration, $state). Answers with actions as policies have them, such as "
        + "'Throttle to 50 %', 'DowntimeLimit times 2' or 'SwitchOver', or with nothing. The migration does not wait for it, and none goes beyond what the "
        + "other parameters allow. Not with -AsJob.")]
    [ValidateNotNull]
    public ScriptBlock? OnIteration { get; set; }

    /// <summary>How long it may take.</summary>
    [Parameter(HelpMessage = "How long after the end of a pass the answer of -OnIteration counts: a TimeSpan, text such as 500ms, or a number of seconds. 5 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? OnIterationTimeout { get; set; }

    /// <summary>Told, and not done.</summary>
    [Parameter(HelpMessage = "Record what the policy and -OnIteration decide, and do none of it.")]
    public SwitchParameter ObserveOnly { get; set; }

    /// <summary>What happens when the time is over.</summary>
    [Parameter(HelpMessage = "What is done when -Timeout is over: Cancel (the default) fails and leaves the guest, Postcopy lets it go over before "
        + "its memory, SwitchOver stops it and switches over, also where that takes longer than -MaxDowntime.")]
    public TimeoutAction OnTimeout { get; set; }

    /// <summary>Slow the guest down.</summary>
    [Parameter(HelpMessage = "Slow the vCPUs down step by step when memory is written faster than it is sent, as QEMU does. Adds to -Policy.")]
    [Alias("auto-converge")]
    public SwitchParameter AutoConverge { get; set; }

    /// <summary>But not more than so much.</summary>
    [Parameter(HelpMessage = "How much the vCPUs may be slowed down at most, up to 99 percent; 0 is not at all. 99 by default, "
        + "and for the policy Adaptive 0 unless -AutoConverge is given.")]
    [Alias("max-cpu-throttle")]
    public int? MaxThrottle { get; set; }

    /// <summary>The first step.</summary>
    [Parameter(HelpMessage = "The first step of -AutoConverge, 1 to 99 percent. 20 by default.")]
    [Alias("cpu-throttle-initial")]
    public int? ThrottleInitial { get; set; }

    /// <summary>Further steps.</summary>
    [Parameter(HelpMessage = "Each further step of -AutoConverge, 1 to 99 percent. 10 by default.")]
    [Alias("cpu-throttle-increment")]
    public int? ThrottleIncrement { get; set; }

    /// <summary>Smaller steps.</summary>
    [Parameter(HelpMessage = "No step of -AutoConverge is larger than is needed: the guest is slowed down less, and later.")]
    [Alias("cpu-throttle-tailslow")]
    public SwitchParameter ThrottleTailslow { get; set; }

    /// <summary>When it steps.</summary>
    [Parameter(HelpMessage = "-AutoConverge and policy DirtyLimit act when more than so many percent of what was sent was dirtied meanwhile, 1 to 100. 50 by default.")]
    [Alias("throttle-trigger-threshold")]
    public int? ThrottleTrigger { get; set; }

    /// <summary>The quota of each vCPU.</summary>
    [Parameter(HelpMessage = "What each vCPU may write per second under policy DirtyLimit, 1 MB/s or more: a number (50MB), or text such as 50MB/s. 1 MB/s by default.")]
    [Size(IsRate = true)]
    [Alias("vcpu-dirty-limit")]
    public long? VcpuDirtyLimit { get; set; }

    static readonly TimeSpan UsualAnswerTime = TimeSpan.FromSeconds(5);

    MigrationParameters WithPolicy(MigrationParameters parameters) => parameters with
    {
        Policy = Policy, OnIterationTimeout = AnswerTime(), ObserveOnly = ObserveOnly, OnTimeout = OnTimeout, Postcopy = parameters.Postcopy || OnTimeout == TimeoutAction.Postcopy,
        AutoConverge = AutoConverge, MaxThrottle = MaxThrottle, ThrottleInitial = ThrottleInitial, ThrottleIncrement = ThrottleIncrement,
        ThrottleTailslow = ThrottleTailslow, ThrottleTrigger = ThrottleTrigger, VcpuDirtyLimit = VcpuDirtyLimit ?? parameters.VcpuDirtyLimit,
    };

    /// <summary>Null where no script is asked. Throws InvalidParameter for what could never do.</summary>
    TimeSpan? AnswerTime()
    {
        if (OnIteration is null) return OnIterationTimeout is null ? null : throw Invalid("-OnIterationTimeout needs -OnIteration.");
        return !AsJob ? OnIterationTimeout ?? UsualAnswerTime
            : throw Invalid("-OnIteration runs on the pipeline's thread, in your session, and a job has neither: leave out -AsJob, or give -Policy.");
    }

    /// <summary>The same in words.</summary>
    static IEnumerable<string> PolicyWays(Guest guest, MigrationParameters parameters)
    {
        if (parameters.Policy is { } policy) yield return $"policy {policy} {(parameters.ObserveOnly ? "is observed only" : "decides")}";
        if (parameters.OnIterationTimeout is { } answer)
            yield return $"a script is asked about each pass, {(parameters.ObserveOnly ? "is observed only" : "decides")}, and has {Figures.Time(answer)}";
        // Without a policy it is Adaptive, which needs leave.
        var mayThrottle = parameters.AutoConverge || (parameters.OnIterationTimeout is not null && (guest is MemoryGuest || parameters.MaxThrottle > 0)) || (parameters.Policy is null ? guest is MemoryGuest && parameters.MaxThrottle > 0 : parameters.Policy.Rules.Any(rule =>
            rule.Then.Kind is PolicyActionKind.Throttle or PolicyActionKind.AutoConverge or PolicyActionKind.DirtyLimit
            || (guest is MemoryGuest && rule.Then.Kind == PolicyActionKind.Adaptive && parameters.MaxThrottle > 0)));
        if (mayThrottle && !parameters.ObserveOnly && parameters.MaxThrottle != 0) yield return $"its vCPUs may be slowed down by up to {parameters.MaxThrottle ?? 99} %";
    }

    static string TimeoutWay(TimeoutAction action, TimeSpan timeout) => action switch
    {
        TimeoutAction.Postcopy => $"after {Figures.Time(timeout)} it goes over to postcopy; then there is no way back",
        TimeoutAction.SwitchOver => $"after {Figures.Time(timeout)} it switches over, however long the guest then stands still",
        _ => $"it is given up after {Figures.Time(timeout)}",
    };
}
