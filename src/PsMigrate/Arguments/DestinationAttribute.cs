using System.Management.Automation;
using PsMigrate.Engine;

namespace PsMigrate.Arguments;

/// <summary>
/// Lets an address be given as text, as an address object, or as the receiver that listens there. The parameter stays text, since
/// text that is no address then gets the engine's error id InvalidUri and not PowerShell's for any wrong argument.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class DestinationAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) switch
        {
            MigrationReceiver receiver => receiver.Uri.ToString(),
            ReceiverState receiver => receiver.Uri.ToString(),
            _ => inputData,
        };
}
