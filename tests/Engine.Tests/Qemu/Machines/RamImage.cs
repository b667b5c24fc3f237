namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>
/// Compares the RAM block that a migration carried with what a stopped machine shows through pmemsave, which is what its processors
/// see. On pc and q35 that is not the same between 0xC0000 and 0xFFFFF as long as no firmware has run: the chipset's PAM registers
/// map ROM there after a reset. SeaBIOS copies itself to the RAM below and maps that, so a booted machine shows its block in full,
/// and so does a migrated one, since the registers go with it. (With a VGA device 0xA0000 to 0xBFFFF is never RAM; these machines have none.)
/// </summary>
static class RamImage
{
    const int PageSize = 4096;

    /// <summary>Numbers of the pages that differ, of a block against <see cref="QemuMachine.Memory()"/> of a stopped machine.</summary>
    public static int[] Differences(QemuMachine machine, ReadOnlySpan<byte> block)
    {
        // Without a program a machine that boots stands still before its firmware, or ran into "no bootable device": count on nothing.
        var mayShowRom = machine.Options is { RamBlock: "pc.ram", Program: null };
        return [.. Differences(machine.Memory(), block).Where(page => !mayShowRom || page is < 0xc0 or > 0xff)];
    }

    /// <summary>Numbers of the pages that differ.</summary>
    public static int[] Differences(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        Assert.Equal(a.Length, b.Length);
        var pages = new List<int>();
        for (var at = 0; at < a.Length; at += PageSize)
            if (!a.Slice(at, PageSize).SequenceEqual(b.Slice(at, PageSize))) pages.Add(at / PageSize);
        return [.. pages];
    }
}
