using System.Collections;
using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>-Be, -BeExactly and -BeNullOrEmpty, which take a piped collection as a whole.</summary>
static class EqualityChecks
{
    const int DeepestNesting = 100;

    public static void Be(ShouldCall call, bool caseSensitive)
    {
        var expected = call["ExpectedValue"];
        if (AreEqual(call.Actual, expected, caseSensitive ? "-ceq" : "-eq", 0) != call.Not) return;
        var actual = call.Actual is object?[] { Length: 1 } one ? one[0] : call.Actual;
        throw new PesterAssertionException(call.Not
            ? $"Expected a value other than {Wording.Of(expected)},{call.Because} but got just that."
            : $"Expected {Wording.Of(expected)},{call.Because} but got {Wording.Of(actual)}.{Difference(expected, actual, caseSensitive)}");
    }

    public static void BeNullOrEmpty(ShouldCall call)
    {
        var isEmpty = call.Actual switch
        {
            null or object?[] { Length: 0 } => true,
            object?[] { Length: 1 } one => IsEmpty(one[0]),
            _ => false
        };
        if (isEmpty == call.Not) throw call.Failure(call.Not ? "a value" : "$null or empty");
    }

    static bool IsEmpty(object? value) =>
        (value is PSObject wrapped ? wrapped.BaseObject : value) is Hashtable table
            ? table.Count == 0
            : PowerShellOperator.IsEmptyText(value);

    /// <summary>Pester's rule: nothing equals a lone $null; else the same length, and each pair equal, arrays by their items.</summary>
    static bool AreEqual(object? actual, object? expected, string operation, int depth)
    {
        if (depth > DeepestNesting) throw new PesterRefusedException("Arrays are nested too deep, or hold themselves.");
        var (first, second) = (Items(actual), Items(expected));
        if (IsNothing(first) || IsNothing(second)) return IsNothing(first) && IsNothing(second);
        if (first.Length != second.Length) return false;
        return first.Zip(second).All(pair => Bare(pair.First) is Array || Bare(pair.Second) is Array
            ? AreEqual(pair.First, pair.Second, operation, depth + 1)
            : PowerShellOperator.Holds(pair.Second, operation, pair.First));
    }

    /// <summary>A value as Pester's [object[]] parameters take it: lists by their items, all else as a single item.</summary>
    static object?[] Items(object? value) => Bare(value) switch
    {
        null => [],
        IList list => [.. list.Cast<object?>()],
        _ => [value]
    };

    static object? Bare(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    static bool IsNothing(object?[] items) => items is [] or [null];

    static string Difference(object? expected, object? actual, bool caseSensitive)
    {
        if (Bare(expected) is not string wanted || Bare(actual) is not string got) return "";
        var rule = caseSensitive ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;
        var at = 0;
        while (at < Math.Min(wanted.Length, got.Length) && string.Compare(wanted, at, got, at, 1, rule) == 0) at++;
        return $" They differ from character {at + 1} on; lengths are {wanted.Length} and {got.Length}.";
    }
}
