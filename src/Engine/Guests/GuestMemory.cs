using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// The RAM of a guest: blocks with QEMU's names. Counted references keep it mapped while a thread still reads it.
/// </summary>
sealed unsafe class GuestMemory
{
    /// <summary>The target page of x86, and of the wire.</summary>
    public const int PageSize = 4096;

    /// <summary>What the host's processor maps at once where much memory lies together.</summary>
    public const int LargePageSize = 2 << 20;

    /// <summary>The largest RAM of one guest: 16 TiB.</summary>
    public const long MaxLength = 1L << 44;

    readonly IHostMemory _host;
    int _references = 1;

    /// <summary>One block, QEMU's machine <c>none</c>. Throws InvalidSize or MemoryExceeded.</summary>
    public GuestMemory(long length, string blockName = "ram", IHostMemory? host = null)
        : this([(blockName, length)], host)
    {
    }

    /// <summary>Blocks in QEMU's order, the largest first. Throws InvalidSize or MemoryExceeded.</summary>
    public GuestMemory(IReadOnlyList<(string Name, long Length)> blocks, IHostMemory? host = null)
    {
        foreach (var (name, length) in blocks) Check(name, length);
        Length = blocks.Sum(block => block.Length);
        Check("all blocks", Length);
        _host = host ?? HostMemory.Default;
        var made = new List<RamBlock>();
        try
        {
            foreach (var (name, length) in blocks) made.Add(new RamBlock(name, _host.Reserve(length), length));
        }
        catch
        {
            foreach (var block in made) _host.Release(block.Address, block.Length);
            throw;
        }
        Blocks = [.. made];
        Ram = Blocks[0];
    }

    /// <summary>The main block: the first one.</summary>
    public RamBlock Ram { get; }

    public IReadOnlyList<RamBlock> Blocks { get; }

    /// <summary>Bytes, all blocks together.</summary>
    public long Length { get; }

    public RamBlock? Find(string name)
    {
        if (Ram.Name == name) return Ram;
        foreach (var block in Blocks)
            if (block.Name == name) return block;
        return null;
    }

    /// <summary>Says that pages which were never written are all about to be written.</summary>
    public void ExpectDense(RamBlock block, long firstPage, long pages) =>
        _host.ExpectDense(block.Address + (firstPage * PageSize), pages * PageSize);

    /// <summary>Has pages mapped before somebody writes to them; what is in them stays.</summary>
    public bool Touch(RamBlock block, long firstPage, long pages) =>
        _host.Touch(block.Address + (firstPage * PageSize), pages * PageSize);

    /// <summary>A log for each block, for <see cref="StartLog(DirtyBitmap[])"/>. Takes time: to be made while the guest still runs.</summary>
    public DirtyBitmap[] MakeLogs() => [.. Blocks.Select(block => new DirtyBitmap(block.Pages))];

    /// <summary>Starts to log writes. Only while no vCPU is inside a tick.</summary>
    public void StartLog(DirtyBitmap[] logs)
    {
        for (var i = 0; i < logs.Length; i++) Blocks[i].Log = logs[i];
    }

    /// <summary>Starts to log writes of memory that no vCPU runs on.</summary>
    public void StartLog() => StartLog(MakeLogs());

    /// <summary>Stops to log writes. Only while no vCPU is inside a tick.</summary>
    public void StopLog()
    {
        foreach (var block in Blocks) block.Log = null;
    }

    /// <summary>Keeps the memory mapped until <see cref="Release"/>; false when it is gone already.</summary>
    public bool TryAddReference()
    {
        for (var seen = Volatile.Read(ref _references); seen > 0;)
        {
            var before = Interlocked.CompareExchange(ref _references, seen + 1, seen);
            if (before == seen) return true;
            seen = before;
        }
        return false;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
            foreach (var block in Blocks) _host.Release(block.Address, block.Length);
    }

    static void Check(string name, long length)
    {
        if (length <= 0 || length % PageSize != 0 || length > MaxLength)
            throw new MigrationException(MigrationErrorId.InvalidSize, MigrationSide.User,
                $"Guest memory must be a positive multiple of {PageSize} bytes, at most 16 TiB, and {name} has {length}.");
    }
}
