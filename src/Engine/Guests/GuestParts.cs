namespace PsMigrate.Engine.Guests;

/// <summary>One block of RAM.</summary>
/// <param name="Name">QEMU's idstr, for example pc.ram.</param>
/// <param name="Length">Bytes.</param>
public sealed record GuestRamBlock(string Name, long Length)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Length})";
}

/// <summary>One device section of a captured machine.</summary>
/// <param name="Name">QEMU's idstr, for example 0000:00:01.1/ide.</param>
/// <param name="Instance">The instance, 0 for most; of a vCPU its index.</param>
/// <param name="Version">Of the section.</param>
/// <param name="Size">Bytes of state.</param>
public sealed record GuestDevice(string Name, uint Instance, uint Version, int Size)
{
    /// <inheritdoc/>
    public override string ToString() => Instance == 0 ? Name : $"{Name}/{Instance}";
}
