using System.Management.Automation;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Arguments;

/// <summary>
/// Lets the address of a QMP socket be given as text, as an address object, or as the guest that was connected there. The parameter
/// stays text, for the same reason as with <see cref="DestinationAttribute"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class QmpAddressAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        return value is QemuGuest guest ? guest.Uri.ToString() : inputData;
    }
}
