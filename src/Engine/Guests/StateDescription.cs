namespace PsMigrate.Engine.Guests;

/// <summary>An integer of a device's state: 1, 2, 4 or 8 bytes on the wire, big-endian (a VMStateField of QEMU).</summary>
/// <param name="Name">Its name in the description.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Get">Reads it from the device.</param>
/// <param name="Set">Writes it to the device.</param>
sealed record StateField(string Name, int Size, Func<ulong> Get, Action<ulong> Set);

/// <summary>
/// The state of a device, versioned (a VMStateDescription of QEMU): fields, and subsections that are only sent when needed.
/// </summary>
/// <param name="Name">For example <c>psmigrate/counter</c>; a subsection's begins with that of its owner.</param>
/// <param name="Version">Raised when the fields change.</param>
/// <param name="Fields">In the order of the wire.</param>
/// <param name="Subsections">In the order of the wire.</param>
/// <param name="Needed">Whether a subsection is to be sent; null is always.</param>
sealed record StateDescription(
    string Name, uint Version, IReadOnlyList<StateField> Fields, IReadOnlyList<StateDescription> Subsections, Func<bool>? Needed = null);

/// <summary>State that is sent once, when the guest stands: vCPUs and devices (what QEMU registers with vmstate_register).</summary>
interface IDeviceState
{
    /// <summary>The section's instance: 0, or the index of a vCPU.</summary>
    uint Instance { get; }

    StateDescription Description { get; }

    /// <summary>Called after the last field was set; throws InvalidValue for what can't be.</summary>
    void CheckLoaded();
}
