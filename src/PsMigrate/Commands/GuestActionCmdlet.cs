using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Commands;

/// <summary>A cmdlet that does something to each of some guests.</summary>
public abstract class GuestActionCmdlet : EngineCmdlet
{
    private protected const string ByName = "Name";
    private protected const string ByGuest = "Guest";

    /// <summary>The guests, by name.</summary>
    [Parameter(ParameterSetName = ByName, Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of guests; wildcards are allowed.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The host on which to look for the names.</summary>
    [Parameter(ParameterSetName = ByName, HelpMessage = "Only guests on this host; wildcards are allowed. All hosts by default.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public string HostName { get; set; } = "*";

    /// <summary>The guests themselves.</summary>
    [Parameter(ParameterSetName = ByGuest, Mandatory = true, ValueFromPipeline = true,
        HelpMessage = "The guests, as Get-MigrationGuest gives them.")]
    [Alias("InputObject", "VM")]
    [ValidateNotNullOrEmpty]
    public Guest[] Guest { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var guests = ParameterSetName == ByGuest ? Guest : GuestLookup.Find(Name, HostName, WriteFailure);
        foreach (var guest in guests) Process(guest);
    }

    private protected abstract void Process(Guest guest);

    /// <summary>How messages name a guest: the host only where it is not the usual one.</summary>
    private protected static string Label(Guest guest) =>
        guest.Host == GuestRegistry.DefaultHost ? $"guest {guest.Name}" : $"guest {guest.Name} on host {guest.Host}";
}
