namespace PsMigrate.Engine.Tests.Qemu.Machines;

sealed partial class QemuMachine
{
    /// <summary>A range of guest-physical memory as the processors see it, through a file (pmemsave).</summary>
    public byte[] Memory(long address, long size)
    {
        var file = Path.Combine(_folder, "memory");
        Execute("pmemsave", new { val = address, size, filename = file });
        var bytes = File.ReadAllBytes(file);
        Assert.Equal(size, bytes.Length);
        return bytes;
    }

    /// <summary>Guest-physical memory from 0 on, as much as there is RAM. On pc and q35 parts of it are not RAM: <see cref="RamImage"/>.</summary>
    public byte[] Memory() => Memory(0, (long)Options.Megabytes << 20);

    /// <summary>The bytes of the RAM block, of a machine with <see cref="QemuOptions.HasRamFile"/>.</summary>
    public byte[] Ram()
    {
        Assert.True(Options.HasRamFile, "The RAM of this machine is not a file.");
        return File.ReadAllBytes(Path.Combine(_folder, "ram"));
    }

    /// <summary>Increments that the <see cref="WalkingGuest"/> has counted; 0 until it walks.</summary>
    public long PhysicalCounter() => WalkingGuest.Counter(Memory(WalkingGuest.StateAddress, WalkingGuest.StateSize));

    /// <summary>Returns when the guest has counted so many increments more.</summary>
    public long WaitForCounter(long more = 1)
    {
        var (since, now) = (PhysicalCounter(), 0L);
        Poll.Until(() => (now = PhysicalCounter()) >= since + more, $"the guest counts {more} more than {since}. {RunState}; {Progress}");
        return now;
    }

    /// <summary>What the guest wrote to its debug console.</summary>
    public string Progress => File.ReadAllText(Path.Combine(_folder, "progress"));

    /// <summary>Each RAM block's name with its size in bytes (HMP info ramblock), in that order.</summary>
    public (string Name, long Size)[] RamBlocks =>
    [
        .. Hmp("info ramblock").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            // Name, page size of two words, offset, used, total; the names that QEMU gives have no space.
            .Select(words => (words[0], Convert.ToInt64(words[4], 16))),
    ];
}
