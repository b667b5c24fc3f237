using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Makes a policy of rules, reads one from a file, or takes a built-in one; and writes it to a file.</summary>
[Cmdlet(VerbsCommon.New, "MigrationPolicy", DefaultParameterSetName = ByFile, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationPolicy))]
public sealed class NewMigrationPolicyCommand : EngineCmdlet
{
    const string ByRule = "Rule";
    const string ByBuiltIn = "BuiltIn";
    const string ByFile = "File";

    /// <summary>What it is called.</summary>
    [Parameter(ParameterSetName = ByRule, Mandatory = true, Position = 0, HelpMessage = "What the policy is called.")]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    /// <summary>What it does, and when.</summary>
    [Parameter(ParameterSetName = ByRule, Position = 1, HelpMessage = "Its rules, in the order in which they are looked at: hashtables such as "
        + "@{ When = 'StalledPasses >= 3', 'Pass > 5'; Then = 'Throttle by 10 %' }. At = 'AnyTime' looks also within a pass, Once = $true does it "
        + "once, Because is told with the decision.")]
    [PolicyRule]
    [ValidateNotNull]
    public PolicyRule[] Rule { get; set; } = [];

    /// <summary>What it is for.</summary>
    [Parameter(ParameterSetName = ByRule, HelpMessage = "What it is for, in a sentence or two.")]
    public string Description { get; set; } = "";

    /// <summary>The limit at the start.</summary>
    [Parameter(ParameterSetName = ByRule, HelpMessage = "With which share of -MaxDowntime as its limit a migration begins, above 0 to 1; rules raise "
        + "it. 1 by default.")]
    public double StartDowntime { get; set; } = 1;

    /// <summary>One that is there.</summary>
    [Parameter(ParameterSetName = ByBuiltIn, Mandatory = true, HelpMessage = "Take the built-in policy of this name: Adaptive, Qemu, AutoConverge, "
        + "DirtyLimit, StallAware or DowntimeRamp.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public string BuiltIn { get; set; } = "";

    /// <summary>Where it is, or is written to.</summary>
    [Parameter(ParameterSetName = ByFile, Mandatory = true, HelpMessage = "A file of JSON: alone it is read, with -Name or -BuiltIn it is written.")]
    [Parameter(ParameterSetName = ByRule)]
    [Parameter(ParameterSetName = ByBuiltIn)]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Path ?? Name, () =>
    {
        var file = Path is { } path ? FileLookup.Unresolved(SessionState.Path, path) : null;
        if (ParameterSetName == ByFile)
        {
            WriteObject(MigrationPolicy.Load(file!));
            return;
        }
        var policy = ParameterSetName == ByBuiltIn ? MigrationPolicy.Find(BuiltIn) : Made().Validate();
        if (file is not null && !ShouldProcess(file, $"Write policy {policy}")) return;
        if (file is not null) policy.Save(file);
        WriteObject(policy);
    });

    MigrationPolicy Made() => new() { Name = Name, Description = Description, StartDowntime = StartDowntime, Rules = Rule };
}
