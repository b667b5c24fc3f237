using System.Collections;
using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Should.</summary>
[Cmdlet(VerbsLifecycle.Assert, "PesterShould")]
public sealed class AssertShouldCommand : PSCmdlet, IDynamicParameters
{
    readonly RuntimeDefinedParameterDictionary _parameters = ShouldOperator.MakeParameters();
    readonly List<object?> _piped = [];

    /// <summary>What is asserted about; usually piped.</summary>
    [Parameter(ValueFromPipeline = true)]
    [AllowNull]
    public object? ActualValue { get; set; }

    /// <inheritdoc/>
    public object GetDynamicParameters() => _parameters;

    /// <inheritdoc/>
    protected override void ProcessRecord() => _piped.Add(ActualValue);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        try
        {
            var shouldOperator = ShouldOperator.All.First(o => o.Name == ParameterSetName);
            foreach (var value in Values(shouldOperator)) shouldOperator.Check(new ShouldCall(this, Arguments()) { Actual = value });
        }
        catch (Exception e) when (e is PesterAssertionException or PesterRefusedException or ArgumentException)
        {
            ThrowTerminatingError(new ErrorRecord(e, "PesterAssertionFailed", ErrorCategory.InvalidResult, null));
        }
    }

    /// <summary>Once with the whole collection or once per piped value; an empty pipeline is one $null.</summary>
    IEnumerable<object?> Values(ShouldOperator shouldOperator)
    {
        if (_piped.Count == 0) yield return null;
        else if (!shouldOperator.TakesCollection)
            foreach (var value in _piped) yield return value;
        else if (!MyInvocation.ExpectingInput && ((_piped[0] as PSObject)?.BaseObject ?? _piped[0]) is ICollection)
            throw new PesterRefusedException("Pipe a collection to Should: Pester 5 takes one given by -ActualValue as a single item.");
        else
            yield return _piped.ToArray();
    }

    Dictionary<string, object?> Arguments() => _parameters.Values.Where(p => p.IsSet).ToDictionary(
        p => p.Name, p => (object?)p.Value, StringComparer.OrdinalIgnoreCase);
}
