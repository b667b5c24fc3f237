using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>The full picture of running and ended migrations.</summary>
[Cmdlet(VerbsCommon.Get, "MigrationState", DefaultParameterSetName = "Id")]
[Alias("Get-VmMigration")]
[OutputType(typeof(MigrationState))]
public sealed class GetMigrationStateCommand : EngineCmdlet
{
    /// <summary>The numbers of the migrations.</summary>
    [Parameter(ParameterSetName = "Id", Position = 0, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of migrations; all that are known by default.")]
    [Alias("MigrationId")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>The guests.</summary>
    [Parameter(ParameterSetName = "Name", Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of guests, for all their migrations, the latest last; wildcards are allowed.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MigrationNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Only what runs.</summary>
    [Parameter(HelpMessage = "Only migrations that have not ended.")]
    public SwitchParameter Running { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var migrations = ParameterSetName == "Name" ? MigrationLookup.AllByName(Name, WriteFailure)
            : IsBound(nameof(Id)) ? MigrationLookup.ById(Id, WriteFailure)
            : Engine.MigrationRegistry.All;
        foreach (var migration in migrations)
        {
            if (!Running || !migration.IsEnded) WriteObject(migration.GetState());
        }
    }
}
