using System.Collections;
using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Arguments;

/// <summary>Lets policies be given by the names of built-in ones, mixed with others.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class PoliciesAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        try
        {
            return value is IEnumerable and not string ? ((IEnumerable)value).Cast<object?>().Select(One).ToArray() : One(value);
        }
        catch (MigrationException error)
        {
            throw new ArgumentTransformationMetadataException(error.Message, error);
        }
    }

    static object? One(object? item) => (item is PSObject wrapped ? wrapped.BaseObject : item) switch
    {
        string name => MigrationPolicy.Find(name),
        var other => other,
    };
}
