using System.Globalization;
using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>The assertions that are one PowerShell expression each.</summary>
static class SimpleChecks
{
    /// <param name="call">The assertion.</param>
    /// <param name="operation">The operator that has to hold.</param>
    /// <param name="wording">What was expected: {0} is "not " or nothing, {1} the other value.</param>
    public static void Binary(ShouldCall call, string operation, string wording)
    {
        var other = call[call.Has("RegularExpression") ? "RegularExpression" : "ExpectedValue"];
        if (PowerShellOperator.Holds(call.Actual, operation, other) == call.Not)
            throw call.Failure(string.Format(CultureInfo.InvariantCulture, wording, call.Not ? "not " : "", Wording.Of(other)));
    }

    public static void Order(ShouldCall call, string contrary, string same, string wording)
    {
        if (PowerShellOperator.Holds(call.Actual, call.Not ? same : contrary, call["ExpectedValue"]))
            throw call.Failure($"a value {(call.Not ? "not " : "")}{wording} {Wording.Of(call["ExpectedValue"])}");
    }

    public static void BeTruth(ShouldCall call, bool truth)
    {
        var wanted = truth != call.Not;
        if (PowerShellOperator.IsTrue(call.Actual) != wanted) throw call.Failure(Wording.Of(wanted));
    }

    public static void HaveCount(ShouldCall call)
    {
        var expected = LanguagePrimitives.ConvertTo<int>(call["ExpectedValue"]);
        ArgumentOutOfRangeException.ThrowIfNegative(expected);
        var count = call.Actual is object?[] items ? items.Length : 0;
        if (count == expected == call.Not)
            throw call.Failure($"a collection {(call.Not ? "not " : "")}of {expected} (it has {count})");
    }

    public static void BeOfType(ShouldCall call)
    {
        var expected = call.Type("ExpectedType") ?? throw new PesterRefusedException("-BeOfType needs a type.");
        if (PowerShellOperator.Holds(call.Actual, "-is", expected) != call.Not) return;
        var actual = (call.Actual as PSObject)?.BaseObject ?? call.Actual;
        throw call.Failure($"a value {(call.Not ? "not " : "")}of type {Wording.Of(expected)} (it is {Wording.Of(actual?.GetType())})");
    }

    public static void Exist(ShouldCall call)
    {
        var path = LanguagePrimitives.ConvertTo<string>(call.Actual);
        if (string.IsNullOrEmpty(path)) throw new PesterRefusedException("-Exist needs a path.");
        if (call.Cmdlet.InvokeProvider.Item.Exists(path) == call.Not)
            throw new PesterAssertionException($"Expected path {Wording.Of(path)} to {(call.Not ? "not " : "")}exist,{call.Because} but it "
                + (call.Not ? "does." : "does not."));
    }
}
