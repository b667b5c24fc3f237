using System.Globalization;
using System.Text.RegularExpressions;

namespace PsMigrate.Engine.Model;

/// <summary>In what a number of a policy is.</summary>
enum PolicyUnit
{
    Number,
    Seconds,
    Bytes,
    BytesPerSecond,
    Percent,
}

/// <summary>
/// The words of policies: conditions and actions as a line that can be read aloud. Numbers have a unit where one makes sense, and are
/// written so that reading them gives the same number.
/// </summary>
static partial class PolicyText
{
    static readonly (string Sign, PolicyComparison Comparison)[] Signs =
        [("<", PolicyComparison.LessThan), ("<=", PolicyComparison.AtMost), (">=", PolicyComparison.AtLeast), (">", PolicyComparison.GreaterThan)];

    // The largest first; of those that fit, the first is written.
    static readonly Dictionary<PolicyUnit, (string Name, double Size)[]> Units = new()
    {
        [PolicyUnit.Number] = [],
        [PolicyUnit.Seconds] = [("h", 3600), ("min", 60), ("s", 1), ("ms", 0.001)],
        [PolicyUnit.Bytes] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)],
        [PolicyUnit.BytesPerSecond] = [("GB/s", 1 << 30), ("MB/s", 1 << 20), ("KB/s", 1 << 10), ("B/s", 1)],
        [PolicyUnit.Percent] = [("%", 1)],
    };

    /// <param name="place">Where in a policy, or the parameter that it came by.</param>
    /// <param name="message">What is wrong there.</param>
    public static MigrationException Invalid(string place, string message) =>
        new(MigrationErrorId.InvalidPolicy, MigrationSide.User, $"{(place.StartsWith('-') ? "" : "The policy can't be used: ")}{place}: {message}");

    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    public static string Sign(PolicyComparison comparison) => Signs.First(one => one.Comparison == comparison).Sign;

    public static PolicyUnit UnitOf(PolicyFigure figure) => figure switch
    {
        PolicyFigure.Elapsed or PolicyFigure.EstimatedDowntime or PolicyFigure.DowntimeLimit => PolicyUnit.Seconds,
        PolicyFigure.Pending => PolicyUnit.Bytes,
        PolicyFigure.DirtyRate or PolicyFigure.Bandwidth => PolicyUnit.BytesPerSecond,
        PolicyFigure.Throttle => PolicyUnit.Percent,
        _ => PolicyUnit.Number,
    };

    public static PolicyUnit UnitOf(PolicyActionKind action) => action switch
    {
        PolicyActionKind.Throttle => PolicyUnit.Percent,
        PolicyActionKind.DowntimeLimit => PolicyUnit.Seconds,
        PolicyActionKind.Bandwidth => PolicyUnit.BytesPerSecond,
        _ => PolicyUnit.Number,
    };

    public static PolicyCondition ParseCondition(string text, string place)
    {
        var match = ConditionPattern().Match(text);
        if (!match.Success) throw Invalid(place, $"'{text}' is not a figure, one of < <= >= >, and a number, as in 'StalledPasses >= 3'.");
        var figure = ParseName<PolicyFigure>(match.Groups["name"].Value, "figure", place);
        var comparison = Signs.First(one => one.Sign == match.Groups["sign"].Value).Comparison;
        var condition = new PolicyCondition(figure, comparison, ParseAmount(match.Groups["amount"].Value, UnitOf(figure), place));
        condition.Check(place);
        return condition;
    }

    public static PolicyAction ParseAction(string text, string place)
    {
        var match = ActionPattern().Match(text);
        if (!match.Success) throw Invalid(place, $"'{text}' is not an action, as in 'SwitchOver' or 'Throttle by 10 %'.");
        var kind = ParseName<PolicyActionKind>(match.Groups["name"].Value, "action", place);
        var action = new PolicyAction(kind);
        if (match.Groups["change"].Success)
        {
            var change = Enum.Parse<PolicyChange>(match.Groups["change"].Value, ignoreCase: true);
            var unit = change == PolicyChange.Times ? PolicyUnit.Number : UnitOf(kind);
            action = new PolicyAction(kind, change, ParseAmount(match.Groups["amount"].Value, unit, place));
        }
        action.Check(place);
        return action;
    }

    public static T ParseName<T>(string name, string what, string place)
        where T : struct, Enum
    {
        // Enum.TryParse would also take numbers.
        foreach (var known in Enum.GetValues<T>())
            if (known.ToString().Equals(name, StringComparison.OrdinalIgnoreCase)) return known;
        throw Invalid(place, $"there is no {what} {name}; there are {string.Join(", ", Enum.GetNames<T>())}.");
    }

    static double ParseAmount(string text, PolicyUnit unit, string place)
    {
        var match = AmountPattern().Match(text);
        var name = match.Groups["unit"].Value;
        var size = name.Length == 0 ? 1 : Units[unit].FirstOrDefault(one => one.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Size;
        if (!match.Success || size == 0 || !double.TryParse(match.Groups["number"].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            throw Invalid(place, $"'{text}' is not a number{(Units[unit].Length == 0 ? " without a unit" : $", alone or with one of {string.Join(", ", Units[unit].Select(one => one.Name))}")}.");
        return number * size;
    }

    /// <summary>With the largest unit by which the number is written short and read back the same.</summary>
    public static string Amount(double value, PolicyUnit unit)
    {
        foreach (var (name, size) in Units[unit])
        {
            var number = (value / size).ToString("R", CultureInfo.InvariantCulture);
            if ((Math.Abs(value) >= size || size == Units[unit][^1].Size) && number.Length <= 8 && double.Parse(number, CultureInfo.InvariantCulture) * size == value) return $"{number} {name}";
        }
        return value.ToString("R", CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^\s*(?<name>\w+)\s*(?<sign><=|>=|<|>)\s*(?<amount>.+?)\s*$", RegexOptions.CultureInvariant)]
    private static partial Regex ConditionPattern();

    [GeneratedRegex(@"^\s*(?<name>\w+)(\s+(?<change>to|by|times)\s+(?<amount>.+?))?\s*$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex ActionPattern();

    [GeneratedRegex(@"^(?<number>[-+]?[0-9.]+(e[-+]?[0-9]+)?)\s*(?<unit>[a-z%/]*)$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex AmountPattern();
}
