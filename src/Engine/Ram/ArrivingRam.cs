using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The RAM of a guest that arrives: its blocks by name. Shared by all connections that bring pages of it. Thread-safe.</summary>
sealed class ArrivingRam
{
    readonly Dictionary<string, ArrivingBlock> _byName;
    volatile bool _keepsFirst;
    volatile PageFaults? _faults;

    public ArrivingRam(GuestMemory memory)
    {
        Memory = memory;
        Blocks = [.. memory.Blocks.Select(block => new ArrivingBlock(block))];
        _byName = Blocks.ToDictionary(block => block.Name);
    }

    public GuestMemory Memory { get; }

    /// <summary>
    /// Set in postcopy: a page that has come is never written again, for the guest may have gone on with it (ramblock_recv_bitmap of QEMU).
    /// </summary>
    public bool KeepsFirst
    {
        get => _keepsFirst;
        set => _keepsFirst = value;
    }

    /// <summary>Who waits for pages, told of each that comes in postcopy; null when nobody runs on this memory before it is whole.</summary>
    public PageFaults? Faults
    {
        get => _faults;
        set => _faults = value;
    }

    /// <summary>Whether a page of the guest has come. Any thread.</summary>
    public bool HasCome(RamBlock block, long page)
    {
        foreach (var arriving in Blocks)
            if (arriving.Block == block) return arriving.HasCome(page);
        return false;
    }

    /// <summary>In the order of the stream.</summary>
    public ArrivingBlock[] Blocks { get; }

    /// <summary>The block of that name, or null.</summary>
    public ArrivingBlock? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Pages that have not come.</summary>
    public long MissingPages => Blocks.Sum(block => block.MissingPages);

    /// <summary>
    /// Whether each page has come at least once. Asked at the end of every section, it has next to nothing to look at in the last one. For
    /// the thread of the main stream.
    /// </summary>
    public bool IsComplete => Array.TrueForAll(Blocks, block => block.IsComplete);

    /// <summary>Throws IncompleteMemory unless each page has come at least once.</summary>
    public void CheckComplete(WireReader reader)
    {
        if (IsComplete) return;
        var missing = MissingPages;
        var block = Array.Find(Blocks, block => block.MissingPages > 0)!;
        throw reader.Error(MigrationErrorId.IncompleteMemory,
            $"{missing} pages never came, the first one is 0x{block.FirstMissing * GuestMemory.PageSize:x} of block '{Printable.Text(block.Name)}'.");
    }
}
