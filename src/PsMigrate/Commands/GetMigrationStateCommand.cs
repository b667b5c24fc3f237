using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>The full picture of running and ended migrations.</summary>
[Cmdlet(VerbsCommon.Get, "MigrationState", DefaultParameterSetName = "Id")]
[Alias("Get-VmMigration")]
[OutputType(typeof(MigrationState))]
public sealed class GetMigrationStateCommand : EngineCmdlet
{
    // Who asks for one migration wants all of it: this name selects the list view. Several are shown as a table.
    const string Detailed = "PsMigrate.Engine.Model.MigrationState#Detailed";

    /// <summary>The numbers of the migrations.</summary>
    [Parameter(ParameterSetName = "Id", Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of migrations; all that are known by default.")]
    [Alias("MigrationId")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>The guests.</summary>
    [Parameter(ParameterSetName = "Name", Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of guests, for all their migrations, the latest last; wildcards are allowed.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MigrationNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The jobs. Without this a job from the pipeline would be taken for the migration that has the job's number.</summary>
    [Parameter(ParameterSetName = "Job", Mandatory = true, ValueFromPipeline = true,
        HelpMessage = "Jobs that Start-VmMigration -AsJob made, for all their migrations.")]
    [ValidateNotNullOrEmpty]
    public Job[] Job { get; set; } = [];

    /// <summary>Only what runs.</summary>
    [Parameter(HelpMessage = "Only migrations that have not ended.")]
    public SwitchParameter Running { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var isNamed = ParameterSetName == "Name";
        var found = (isNamed ? MigrationLookup.AllByName(Name, WriteFailure)
            : ParameterSetName == "Job" ? MigrationLookup.ByJob(Job, WriteFailure)
            : IsBound(nameof(Id)) ? MigrationLookup.ById(Id, WriteFailure)
            : MigrationRegistry.All).Where(migration => !Running || !migration.IsEnded).ToList();
        var isOneAskedFor = found.Count == 1 && !MyInvocation.ExpectingInput
            && (isNamed ? !WildcardPattern.ContainsWildcardCharacters(Name[0]) : IsBound(nameof(Id)));
        foreach (var migration in found)
        {
            var state = PSObject.AsPSObject(migration.GetState());
            if (isOneAskedFor) state.TypeNames.Insert(0, Detailed);
            WriteObject(state);
        }
    }
}
