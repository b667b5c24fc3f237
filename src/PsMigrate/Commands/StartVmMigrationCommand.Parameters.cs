using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

public sealed partial class StartVmMigrationCommand
{
    const string ByName = "Name";
    const string ByGuest = "Guest";

    /// <summary>The guests, by name.</summary>
    // Not by value as well: an object with a Name would then be turned into text before its property is looked at.
    [Parameter(ParameterSetName = ByName, Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of the guests to migrate; wildcards are allowed.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The host on which to look for the names.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true, HelpMessage = "Only guests on this host; wildcards are allowed. All hosts by default.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public string HostName { get; set; } = "*";

    /// <summary>The guests themselves.</summary>
    [Parameter(ParameterSetName = ByGuest, Mandatory = true, ValueFromPipeline = true,
        HelpMessage = "The guests to migrate, as Get-MigrationGuest gives them.")]
    [Alias("InputObject", "VM")]
    [ValidateNotNullOrEmpty]
    public Guest[] Guest { get; set; } = [];

    /// <summary>Where they go.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Where to: local:NAME (another host in this process), tcp:HOST:PORT or unix:PATH, where a PsMigrate receiver or a "
            + "QEMU listens, or the receiver itself; file:PATH or exec:COMMAND, which take the guest's state.")]
    [Alias("DestinationHost", "DestinationUri")]
    [ValidateNotNullOrEmpty]
    [Destination]
    [ArgumentCompleter(typeof(DestinationCompleter))]
    public string Destination { get; set; } = "";

    /// <summary>How long a guest may stand still.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "How long a guest may stand still: a TimeSpan, text such as 300ms, or a number of milliseconds; 1 ms to "
            + "2000 s. "
        + "300 ms by default.")]
    [Duration(BareNumber.Milliseconds)]
    [Alias("downtime-limit")]
    public TimeSpan? MaxDowntime { get; set; }

    /// <summary>What the link may carry.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "Most bytes per second to send for each guest: a number (100MB), or text such as 100MB/s or 1Gbit/s. No "
            + "limit by default.")]
    [Size(IsRate = true)]
    [Alias("max-bandwidth")]
    public long MaxBandwidth { get; set; }

    /// <summary>How long a migration may take.</summary>
    [Parameter(HelpMessage = "When a migration that has not switched over is given up, and the guest stays, unless -OnTimeout says otherwise: a "
        + "TimeSpan, text such as 5m, or a number of seconds. Without end by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? Timeout { get; set; }

    /// <summary>How long to wait for a connection.</summary>
    [Parameter(HelpMessage = "How long to wait for a connection: a TimeSpan, text such as 5s, or a number of seconds. 10 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? ConnectTimeout { get; set; }

    /// <summary>Compare the ends.</summary>
    [Parameter(HelpMessage = "Hold the guest until the digests of its RAM at both ends agree; that adds to the time it stands still.")]
    public SwitchParameter Verify { get; set; }

    /// <summary>Keep a copy.</summary>
    [Parameter(HelpMessage = "Keep the guest here too, suspended, after success.")]
    public SwitchParameter KeepSource { get; set; }

    /// <summary>Who chooses how pages go.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "By what means the memory of a guest of this module goes to a receiver of this module: Adaptive (the default) "
        + "is what serves best as it goes, and each choice is told as a decision; Qemu is what was asked for and nothing else. Of no effect on "
        + "guests of a QEMU.")]
    public MigrationMeans Means { get; set; }

    /// <summary>Who is to load a guest from a file.</summary>
    [Parameter(HelpMessage = "What file: and exec: get of a guest of this module: PsMigrate (the default) is all of it, Qemu only what a "
            + "QEMU with -M none loads.")]
    public GuestFileFormat Format { get; set; }

    /// <summary>Wait before the switch-over.</summary>
    [Parameter(HelpMessage = "Stop the guest when little is left, and wait for Complete-Migration before switching over.")]
    public SwitchParameter PauseBeforeSwitchover { get; set; }

    /// <summary>How many at a time.</summary>
    [Parameter(HelpMessage = "How many guests are migrated at a time; the others wait for their turn. 2 by default: more share the "
            + "link, and "
        + "each takes longer to get below what its guest writes.")]
    [ValidateRange(1, 256)]
    public int ThrottleLimit { get; set; } = 2;

    /// <summary>In the background.</summary>
    [Parameter(HelpMessage = "Return a job at once; Receive-Job gives the passes, Stop-Job cancels. Several guests make one job with a "
            + "child for each.")]
    public SwitchParameter AsJob { get; set; }

    MigrationParameters Parameters()
    {
        var parameters = new MigrationParameters
        {
            MaxBandwidth = MaxBandwidth, Timeout = Timeout, Verify = Verify, KeepSource = KeepSource,
            PauseBeforeSwitchover = PauseBeforeSwitchover, Means = Means, Format = Format, Tls = _tls, Promise = Promise,
            RecordTrace = RecordTrace is not null,
        };
        parameters = WithPolicy(WithPostcopy(WithQemu(parameters)));
        // Not given is the engine's default, which is written down only there.
        if (MaxDowntime is { } downtime) parameters = parameters with { MaxDowntime = downtime };
        return ConnectTimeout is { } connect ? parameters with { ConnectTimeout = connect } : parameters;
    }
}
