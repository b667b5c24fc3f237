namespace PsMigrate.Engine.Qemu;

/// <summary>A migration capability that a QEMU has.</summary>
/// <param name="Name">QEMU's name, for example postcopy-ram.</param>
/// <param name="IsOn">Whether it is switched on.</param>
public sealed record QemuCapability(string Name, bool IsOn)
{
    /// <summary>The name, with =on where it is.</summary>
    public override string ToString() => IsOn ? $"{Name}=on" : Name;
}
