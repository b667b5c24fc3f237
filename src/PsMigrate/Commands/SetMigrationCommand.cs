using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Changes the limits of running migrations; the next round of the loop goes by them.</summary>
[Cmdlet(VerbsCommon.Set, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class SetMigrationCommand : MigrationActionCmdlet
{
    /// <summary>How long the guest may stand still.</summary>
    [Parameter(HelpMessage = "How long the guest may stand still: a TimeSpan, text such as 300ms, or a number of milliseconds; 1 ms to "
            + "2000 s.")]
    [Duration(BareNumber.Milliseconds)]
    [Alias("downtime-limit")]
    public TimeSpan? MaxDowntime { get; set; }

    /// <summary>What the link may carry.</summary>
    [Parameter(HelpMessage = "Most bytes per second to send: a number (100MB), or text such as 100MB/s or 1Gbit/s; 0 is no limit.")]
    [Size(IsRate = true)]
    [Alias("max-bandwidth")]
    public long? MaxBandwidth { get; set; }

    /// <summary>How long the migration may take, counted from its start.</summary>
    [Parameter(HelpMessage = "When a migration that has not switched over is given up, unless -OnTimeout says otherwise, counted from its start: a TimeSpan, "
        + "text such as 5m, or a number of seconds.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? Timeout { get; set; }

    /// <summary>What happens when the time is over.</summary>
    [Parameter(HelpMessage = "What is done when the time allowed is over, by -Timeout here or at the start: Cancel fails and leaves the guest, Postcopy lets it "
        + "go over before its memory, SwitchOver stops it and switches over, also where that takes longer than -MaxDowntime.")]
    public TimeoutAction OnTimeout { get; set; }

    /// <summary>What the link may carry in postcopy.</summary>
    [Parameter(HelpMessage = "Most bytes per second of what follows in postcopy unasked: a number (100MB), or text such as 1Gbit/s; 0 is no "
        + "limit.")]
    [Size(IsRate = true)]
    [Alias("max-postcopy-bandwidth")]
    public long? MaxPostcopyBandwidth { get; set; }

    /// <summary>Other rules.</summary>
    [Parameter(HelpMessage = "Another policy in place of the present one, by name or from New-MigrationPolicy; it begins anew. Qemu is none.")]
    [Policy]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public MigrationPolicy? Policy { get; set; }

    /// <summary>But not more than so much.</summary>
    [Parameter(HelpMessage = "How much the vCPUs may be slowed down at most, up to 99 percent; 0 is not at all. Further than that they are let go "
        + "at once, those of a QEMU after two passes.")]
    [Alias("max-cpu-throttle")]
    public int? MaxThrottle { get; set; }

    /// <summary>The first step.</summary>
    [Parameter(HelpMessage = "The first step of auto-converge, 1 to 99 percent.")]
    [Alias("cpu-throttle-initial")]
    public int? ThrottleInitial { get; set; }

    /// <summary>Further steps.</summary>
    [Parameter(HelpMessage = "Each further step of auto-converge, 1 to 99 percent.")]
    [Alias("cpu-throttle-increment")]
    public int? ThrottleIncrement { get; set; }

    /// <summary>Smaller steps.</summary>
    [Parameter(HelpMessage = "No step of auto-converge is larger than is needed; -ThrottleTailslow:$false takes that back.")]
    [Alias("cpu-throttle-tailslow")]
    public SwitchParameter ThrottleTailslow { get; set; }

    /// <summary>When it steps.</summary>
    [Parameter(HelpMessage = "Auto-converge and policy DirtyLimit act when more than so many percent of what was sent was dirtied meanwhile, 1 to 100.")]
    [Alias("throttle-trigger-threshold")]
    public int? ThrottleTrigger { get; set; }

    /// <summary>The quota of each vCPU.</summary>
    [Parameter(HelpMessage = "What each vCPU may write per second under policy DirtyLimit, 1 MB/s or more: a number (50MB), or text such as 50MB/s.")]
    [Size(IsRate = true)]
    [Alias("vcpu-dirty-limit")]
    public long? VcpuDirtyLimit { get; set; }

    /// <summary>Memory for differences.</summary>
    [Parameter(HelpMessage = "Memory at the source for the pages as they were sent, of which differences are made: a power of two of bytes; "
        + "0 is 64 MB.")]
    [Size]
    [Alias("xbzrle-cache-size")]
    public long? XbzrleCacheSize { get; set; }

    /// <summary>Give the states out.</summary>
    [Parameter(HelpMessage = "Give the states of the migrations out.")]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (Limits == new MigrationLimits())
            ThrowFailure(new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                "Nothing to change: give -MaxDowntime, -MaxBandwidth, -MaxPostcopyBandwidth, -Policy, -MaxThrottle or another parameter of throttling, "
                + "-XbzrleCacheSize, -Timeout or -OnTimeout."), null);
    }

    private protected override void Process(Migration migration)
    {
        if (!ShouldProcess(Label(migration), $"Set {string.Join(", ", Changes())}")) return;
        if (Try(migration.GetState(), () => migration.SetLimits(Limits)) && PassThru) WriteObject(migration.GetState());
    }

    MigrationLimits Limits => new(MaxDowntime, MaxBandwidth, Timeout, MaxPostcopyBandwidth, XbzrleCacheSize)
    {
        OnTimeout = IsBound(nameof(OnTimeout)) ? OnTimeout : null, Policy = Policy, MaxThrottle = MaxThrottle, ThrottleInitial = ThrottleInitial, ThrottleIncrement = ThrottleIncrement,
        ThrottleTailslow = IsBound(nameof(ThrottleTailslow)) ? ThrottleTailslow.IsPresent : null, ThrottleTrigger = ThrottleTrigger,
        VcpuDirtyLimit = VcpuDirtyLimit,
    };

    IEnumerable<string> ThrottleChanges()
    {
        if (Policy is { } policy) yield return $"the policy to {policy}";
        if (MaxThrottle is { } most) yield return $"the most that vCPUs are slowed down to {most} %";
        if (ThrottleInitial is { } first) yield return $"the first step of auto-converge to {first} %";
        if (ThrottleIncrement is { } step) yield return $"its further steps to {step} %";
        if (IsBound(nameof(ThrottleTailslow))) yield return ThrottleTailslow ? "steps no larger than needed" : "steps of full size";
        if (ThrottleTrigger is { } trigger) yield return $"its trigger to {trigger} %";
        if (VcpuDirtyLimit is { } quota) yield return $"what each vCPU may write to {Figures.Rate(quota)}";
    }

    IEnumerable<string> Changes()
    {
        if (MaxDowntime is { } downtime) yield return $"the downtime allowed to {Figures.Time(downtime)}";
        if (MaxBandwidth is { } bandwidth)
            yield return bandwidth == 0 ? "no limit on bandwidth" : $"the bandwidth limit to {Figures.Rate(bandwidth)}";
        if (MaxPostcopyBandwidth is { } postcopy)
            yield return postcopy == 0 ? "no limit on bandwidth in postcopy" : $"the bandwidth limit in postcopy to {Figures.Rate(postcopy)}";
        if (XbzrleCacheSize is { } cache)
            yield return $"the cache for differences to {Figures.Size(cache == 0 ? MigrationParameters.DefaultXbzrleCacheSize : cache)}";
        if (Timeout is { } timeout) yield return $"the time allowed to {Figures.Time(timeout)}";
        if (IsBound(nameof(OnTimeout))) yield return $"what is done when it is over to {OnTimeout}";
        foreach (var change in ThrottleChanges()) yield return change;
    }
}
