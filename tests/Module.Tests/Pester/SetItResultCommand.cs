using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Set-ItResult -Skipped: ends the running test and counts it as skipped. Other results are not used here.</summary>
[Cmdlet(VerbsCommon.Set, "ItResult")]
public sealed class SetItResultCommand : PSCmdlet
{
    /// <summary>Skips the test.</summary>
    [Parameter(Mandatory = true)]
    public SwitchParameter Skipped { get; set; }

    /// <summary>The reason, which is shown.</summary>
    [Parameter]
    public string? Because { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => ThrowTerminatingError(new ErrorRecord(
        new PesterSkippedException(Because ?? "It skipped itself."), "PesterTestSkipped", ErrorCategory.InvalidResult, null));
}
