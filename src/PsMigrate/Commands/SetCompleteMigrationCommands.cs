using System.Management.Automation;
using PsMigrate.Arguments;
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
    [Parameter(HelpMessage = "The migration is given up when it has not switched over by then, counted from its start: a TimeSpan, "
        + "text such as 5m, or a number of seconds.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? Timeout { get; set; }

    /// <summary>What the link may carry in postcopy.</summary>
    [Parameter(HelpMessage = "Most bytes per second of what follows in postcopy unasked: a number (100MB), or text such as 1Gbit/s; 0 is no "
        + "limit.")]
    [Size(IsRate = true)]
    [Alias("max-postcopy-bandwidth")]
    public long? MaxPostcopyBandwidth { get; set; }

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
        if (MaxDowntime is null && MaxBandwidth is null && Timeout is null && MaxPostcopyBandwidth is null && XbzrleCacheSize is null)
            ThrowFailure(new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                "Nothing to change: give -MaxDowntime, -MaxBandwidth, -MaxPostcopyBandwidth, -XbzrleCacheSize or -Timeout."), null);
    }

    private protected override void Process(Migration migration)
    {
        if (!ShouldProcess(Label(migration), $"Set {string.Join(", ", Changes())}")) return;
        var limits = new MigrationLimits(MaxDowntime, MaxBandwidth, Timeout, MaxPostcopyBandwidth, XbzrleCacheSize);
        if (Try(migration.GetState(), () => migration.SetLimits(limits)) && PassThru) WriteObject(migration.GetState());
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
    }
}

/// <summary>Switches running migrations over now, whatever the downtime will be; also one that waits before its switch-over.</summary>
[Cmdlet(VerbsLifecycle.Complete, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class CompleteMigrationCommand : MigrationActionCmdlet
{
    /// <summary>Give the states out.</summary>
    [Parameter(HelpMessage = "Give the states of the migrations out, as they are when the switch-over begins.")]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process(Migration migration)
    {
        var state = migration.GetState();
        var cost = state.Current.EstimatedDowntime is { } estimate && state.State != MigrationStatus.PreSwitchover
            ? $"the guest is expected to stand still for {Figures.Time(estimate)} ({Figures.Size(state.Current.RemainingBytes)} are left)"
            : $"{Figures.Size(state.Current.RemainingBytes)} are left to send while the guest stands still";
        if (!ShouldProcess(Label(migration), $"Switch over now: {cost}")) return;
        if (Try(state, migration.Complete) && PassThru) WriteObject(migration.GetState());
    }
}
