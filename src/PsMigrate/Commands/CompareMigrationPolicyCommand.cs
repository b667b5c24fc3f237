using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Goes through recorded migrations once more, in virtual time, under other policies. Sends nothing and changes no guest.</summary>
[Cmdlet(VerbsData.Compare, "MigrationPolicy")]
[OutputType(typeof(PolicyReplay))]
public sealed class CompareMigrationPolicyCommand : EngineCmdlet
{
    /// <summary>What was recorded.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "What was recorded: files of Start-VmMigration -RecordTrace (wildcards are allowed), or traces, or migrations that were started with it, as Get-MigrationState gives them.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public object[] Trace { get; set; } = [];

    /// <summary>The policies.</summary>
    [Parameter(Position = 1, HelpMessage = "The policies to compare: names of built-in ones, and those of New-MigrationPolicy. All built-in ones by default.")]
    [Policies]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public MigrationPolicy[] Policy { get; set; } = MigrationPolicy.BuiltIn;

    /// <summary>How long the guest may stand still.</summary>
    [Parameter(HelpMessage = "How long the guest may stand still: a TimeSpan, text such as 300ms, or a number of milliseconds; 1 ms to 2000 s. As it was recorded by default.")]
    [Duration(BareNumber.Milliseconds)]
    [Alias("downtime-limit")]
    public TimeSpan? MaxDowntime { get; set; }

    /// <summary>How much it may be slowed down.</summary>
    [Parameter(HelpMessage = "How much the vCPUs may be slowed down at most, up to 99 percent; 0 is not at all. As it was recorded by default.")]
    [Alias("max-cpu-throttle")]
    public int? MaxThrottle { get; set; }

    /// <summary>What may be sent.</summary>
    [Parameter(HelpMessage = "Most bytes per second to send while the guest runs: a number (100MB), or text such as 100MB/s or 1Gbit/s; 0 is no limit. As it was recorded by default.")]
    [Size(IsRate = true)]
    [Alias("max-bandwidth")]
    public long? MaxBandwidth { get; set; }

    /// <summary>What the link carries.</summary>
    [Parameter(HelpMessage = "What the link carries, bytes per second: a number (100MB), or text such as 100MB/s or 1Gbit/s. By default what it carried while pages were sent.")]
    [Size(IsRate = true)]
    public long? Bandwidth { get; set; }

    /// <summary>Let it go over.</summary>
    [Parameter(HelpMessage = "Allow policies to let the guest go over to postcopy, and add a row in which it does so after the first pass.")]
    [Alias("postcopy-ram")]
    public SwitchParameter Postcopy { get; set; }

    /// <summary>How long it may take.</summary>
    [Parameter(HelpMessage = "When a migration that has not switched over is given up, unless -OnTimeout says otherwise: a TimeSpan, text such as 5m, or a number of seconds. "
        + "As it was recorded by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? Timeout { get; set; }

    /// <summary>What happens then.</summary>
    [Parameter(HelpMessage = "What is done when the time is over: Cancel, Postcopy or SwitchOver, as of Start-VmMigration. As it was recorded by default.")]
    public TimeoutAction? OnTimeout { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var item in Trace)
        {
            if (Stopping) return;
            IReadOnlyList<Func<MigrationTrace>> traces = [];
            Try(item, () => traces = Find(item is PSObject wrapped ? wrapped : PSObject.AsPSObject(item)));
            foreach (var trace in traces) Try(item, () => Compare(trace()));
        }
    }

    void Compare(MigrationTrace trace)
    {
        foreach (var row in MigrationReplays.Compare(trace, Policy, Options()))
        {
            // Each row takes a while, and Ctrl+C ends it before the next.
            if (Stopping) return;
            WriteObject(row);
        }
    }

    ReplayOptions Options() => new()
    {
        MaxDowntime = MaxDowntime, MaxThrottle = MaxThrottle, MaxBandwidth = MaxBandwidth, Bandwidth = Bandwidth,
        Postcopy = Postcopy || OnTimeout == TimeoutAction.Postcopy, Timeout = Timeout, OnTimeout = OnTimeout,
    };

    /// <summary>What an item stands for, or has as its Trace. Throws NothingToReplay, FileFailed, InvalidParameter.</summary>
    IReadOnlyList<Func<MigrationTrace>> Find(PSObject item, bool isInner = false) => item.BaseObject switch
    {
        MigrationTrace trace => [() => trace],
        MigrationState state => [() => state.Trace ?? throw NotRecorded(state)],
        Migration migration => [() => migration.GetState() is var state && state.Trace is { } trace ? trace : throw NotRecorded(state)],
        FileInfo file => [() => MigrationTrace.Load(file.FullName)],
        string path => [.. Files(path).Select(file => (Func<MigrationTrace>)(() => MigrationTrace.Load(file)))],
        _ when !isInner && item.Properties["Trace"]?.Value is { } inner => Find(PSObject.AsPSObject(inner), isInner: true),
        var other => throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
            $"A trace is a file of Start-VmMigration -RecordTrace, a trace, or a migration, and no {other.GetType().Name}."),
    };

    IReadOnlyList<string> Files(string path) => FileLookup.Resolved(SessionState.Path, path) is { Count: > 0 } files ? files
        : throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"There is no trace {path}.");

    static MigrationException NotRecorded(MigrationState state) => new(MigrationErrorId.NothingToReplay, MigrationSide.User,
        $"Of migration {state.Id} of guest {state.Name} nothing was recorded: it was started without -RecordTrace.");
}
