using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Arguments;

/// <summary>Lets a policy be given by the name of a built-in one.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class PolicyAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (value is not string name) return value;
        try
        {
            return MigrationPolicy.Find(name);
        }
        catch (MigrationException error)
        {
            throw new ArgumentTransformationMetadataException(error.Message, error);
        }
    }
}
