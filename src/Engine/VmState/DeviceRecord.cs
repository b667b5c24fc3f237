namespace PsMigrate.Engine.VmState;

/// <summary>A FULL section as it stood in the stream, cut out without being understood.</summary>
/// <param name="SectionId">The number that the sender gave it.</param>
/// <param name="Name">Its idstr.</param>
/// <param name="Instance">Its instance id.</param>
/// <param name="Version">Its version id.</param>
/// <param name="Body">The bytes between header and footer.</param>
sealed record DeviceRecord(uint SectionId, string Name, uint Instance, uint Version, byte[] Body)
{
    /// <summary>Where its type byte lies in the buffer that it was cut from.</summary>
    public int Offset { get; init; }

    /// <summary>Bytes from the type byte to the end of the footer.</summary>
    public int Length { get; init; }

    /// <summary>Where the body lies in that buffer.</summary>
    public int BodyOffset { get; init; }
}
