using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>An operator of Should: its name, its parameters by position, whether it takes the pipeline as one collection.</summary>
sealed record ShouldOperator(string Name, string? Alias, string[] Parameters, bool TakesCollection, Action<ShouldCall> Check)
{
    static readonly string[] Switches = ["PassThru", "Mandatory", "HasArgumentCompleter"];
    static readonly string[] Value = ["ExpectedValue"];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ShouldOperator> All { get; } =
    [
        new("Be", "EQ", Value, true, call => EqualityChecks.Be(call, caseSensitive: false)),
        new("BeExactly", "CEQ", Value, true, call => EqualityChecks.Be(call, caseSensitive: true)),
        new("BeNullOrEmpty", null, [], true, EqualityChecks.BeNullOrEmpty),
        new("Contain", null, Value, true, call => SimpleChecks.Binary(call, "-contains", "{1} to {0}be found in the collection")),
        new("HaveCount", null, Value, true, SimpleChecks.HaveCount),
        new("BeTrue", null, [], false, call => SimpleChecks.BeTruth(call, true)),
        new("BeFalse", null, [], false, call => SimpleChecks.BeTruth(call, false)),
        // Pester asks for the contrary and fails when that holds, which matters where a value compares with nothing.
        new("BeGreaterThan", "GT", Value, false, call => SimpleChecks.Order(call, "-le", "-gt", "greater than")),
        new("BeGreaterOrEqual", "GE", Value, false, call => SimpleChecks.Order(call, "-lt", "-ge", "greater than or equal to")),
        new("BeLessThan", "LT", Value, false, call => SimpleChecks.Order(call, "-ge", "-lt", "less than")),
        new("BeLessOrEqual", "LE", Value, false, call => SimpleChecks.Order(call, "-gt", "-le", "less than or equal to")),
        new("BeIn", null, Value, false, call => SimpleChecks.Binary(call, "-in", "the value to {0}be in {1}")),
        new("BeLike", null, Value, false, call => SimpleChecks.Binary(call, "-like", "a value {0}like {1}")),
        new("BeLikeExactly", null, Value, false, call => SimpleChecks.Binary(call, "-clike", "a value {0}exactly like {1}")),
        new("Match", null, ["RegularExpression"], false, call => SimpleChecks.Binary(call, "-match", "a value {0}matching {1}")),
        new("MatchExactly", "CMATCH", ["RegularExpression"], false,
            call => SimpleChecks.Binary(call, "-cmatch", "a value {0}exactly matching {1}")),
        new("BeOfType", "HaveType", ["ExpectedType"], false, SimpleChecks.BeOfType),
        new("Exist", null, [], false, SimpleChecks.Exist),
        new("Throw", null, ["ExpectedMessage", "ErrorId", "ExceptionType", "PassThru"], false, ThrowCheck.Check),
        new("HaveParameter", null,
            ["ParameterName", "Type", "DefaultValue", "Mandatory", "InParameterSet", "Alias"], false, ParameterCheck.Check)
    ];

    /// <summary>Every parameter that a Should may be written with.</summary>
    public static IEnumerable<string> ParameterNames => All
        .SelectMany(o => o.Parameters.Append(o.Name).Concat(o.Alias is null ? [] : [o.Alias]))
        .Concat(["Not", "Because", "ActualValue", "ErrorAction"]);

    public static RuntimeDefinedParameterDictionary MakeParameters()
    {
        var made = new RuntimeDefinedParameterDictionary();
        foreach (var shouldOperator in All)
        {
            var self = Parameter(made, shouldOperator.Name, isSwitch: true);
            self.Add(new ParameterAttribute { ParameterSetName = shouldOperator.Name, Mandatory = true });
            if (shouldOperator.Alias is not null) self.Add(new AliasAttribute(shouldOperator.Alias));
            Parameter(made, "Not", isSwitch: true).Add(new ParameterAttribute { ParameterSetName = shouldOperator.Name });

            var position = 1;
            foreach (var name in shouldOperator.Parameters)
            {
                var isSwitch = Switches.Contains(name);
                var attribute = new ParameterAttribute { ParameterSetName = shouldOperator.Name };
                if (!isSwitch) attribute.Position = position++;
                Parameter(made, name, isSwitch).Add(attribute);
            }

            Parameter(made, "Because", isSwitch: false).Add(new ParameterAttribute { ParameterSetName = shouldOperator.Name });
        }

        return made;
    }

    static System.Collections.ObjectModel.Collection<Attribute> Parameter(
        RuntimeDefinedParameterDictionary made, string name, bool isSwitch)
    {
        if (!made.TryGetValue(name, out var parameter))
            made.Add(name, parameter = new RuntimeDefinedParameter(name, isSwitch ? typeof(SwitchParameter) : typeof(object), []));
        return parameter.Attributes;
    }
}
