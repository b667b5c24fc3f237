using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine;

namespace PsMigrate.Commands;

/// <summary>A cmdlet that does something to each of some migrations: by number, by guest, or by the job that runs them.</summary>
public abstract class MigrationActionCmdlet : EngineCmdlet
{
    private protected const string ById = "Id";
    private protected const string ByName = "Name";
    private protected const string ByJob = "Job";

    /// <summary>The numbers of the migrations.</summary>
    [Parameter(ParameterSetName = ById, Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of migrations, as all their records carry them.")]
    [Alias("MigrationId")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>The guests.</summary>
    [Parameter(ParameterSetName = ByName, Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of guests, for their running migrations; wildcards are allowed.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MigrationNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The jobs. Without this a job from the pipeline would be taken for the migration that has the job's number.</summary>
    [Parameter(ParameterSetName = ByJob, Mandatory = true, ValueFromPipeline = true,
        HelpMessage = "Jobs that Start-VmMigration -AsJob made, for all their migrations.")]
    [ValidateNotNullOrEmpty]
    public Job[] Job { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var migrations = ParameterSetName switch
        {
            ByName => MigrationLookup.RunningByName(Name, WriteFailure),
            ByJob => MigrationLookup.ByJob(Job, WriteFailure),
            _ => MigrationLookup.ById(Id, WriteFailure),
        };
        foreach (var migration in migrations) Process(migration);
    }

    private protected abstract void Process(Migration migration);

    /// <summary>How messages name a migration.</summary>
    private protected static string Label(Migration migration) =>
        $"migration {migration.Id} of guest {migration.Name} to {migration.Destination}";
}
