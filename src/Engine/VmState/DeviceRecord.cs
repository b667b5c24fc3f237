using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.VmState;

/// <summary>A FULL section with the place in the stream from which it was cut, without being understood.</summary>
/// <inheritdoc cref="CapturedSection"/>
sealed record DeviceRecord(uint Id, string Name, uint Instance, uint Version, byte[] Body) : CapturedSection(Id, Name, Instance, Version, Body)
{
    /// <summary>Where its type byte lies in the buffer that it was cut from.</summary>
    public int Offset { get; init; }

    /// <summary>Bytes from the type byte to the end of the footer.</summary>
    public int Length { get; init; }

    /// <summary>Where the body lies in that buffer.</summary>
    public int BodyOffset { get; init; }
}
