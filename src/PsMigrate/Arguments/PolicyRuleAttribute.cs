using System.Collections;
using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Arguments;

/// <summary>
/// Lets a rule of a policy be a hashtable with When (one condition or several, as text), Then (as text), and At, Once, Because where they
/// are wanted.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class PolicyRuleAttribute : ArgumentTransformationAttribute
{
    static readonly string[] Keys = [nameof(PolicyRule.When), nameof(PolicyRule.Then), nameof(PolicyRule.At), nameof(PolicyRule.Once), nameof(PolicyRule.Because)];

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        return value switch
        {
            IDictionary one => Rule(one),
            IEnumerable<PolicyRule> or string => value,
            IEnumerable many => many.Cast<object>().Select(one => Transform(engineIntrinsics, one)).ToArray(),
            _ => value,
        };
    }

    static PolicyRule Rule(IDictionary from)
    {
        foreach (var key in from.Keys)
            if (!Keys.Contains(key.ToString(), StringComparer.OrdinalIgnoreCase))
                throw new ArgumentTransformationMetadataException($"A rule has no '{key}'; it has {string.Join(", ", Keys)}.");
        try
        {
            return new PolicyRule
            {
                When = [.. Texts(Value(from, nameof(PolicyRule.When))).Select(PolicyCondition.Parse)],
                Then = PolicyAction.Parse(LanguagePrimitives.ConvertTo<string>(Value(from, nameof(PolicyRule.Then)) ?? "")),
                At = LanguagePrimitives.ConvertTo<PolicyMoment>(Value(from, nameof(PolicyRule.At)) ?? PolicyMoment.PassEnd),
                Once = LanguagePrimitives.IsTrue(Value(from, nameof(PolicyRule.Once))),
                Because = LanguagePrimitives.ConvertTo<string>(Value(from, nameof(PolicyRule.Because)) ?? ""),
            };
        }
        catch (Exception error) when (error is MigrationException or PSInvalidCastException)
        {
            throw new ArgumentTransformationMetadataException(error.Message, error);
        }
    }

    static object? Value(IDictionary from, string name) =>
        from.Keys.Cast<object>().Where(key => name.Equals(key.ToString(), StringComparison.OrdinalIgnoreCase)).Select(key => from[key]).FirstOrDefault();

    static string[] Texts(object? value) => value is null ? [] : LanguagePrimitives.ConvertTo<string[]>(value);
}
