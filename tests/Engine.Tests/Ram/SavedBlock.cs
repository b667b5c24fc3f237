using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>What is in a page: nothing, a few words, or anything everywhere.</summary>
enum SavedPage
{
    Zero,
    Sparse,
    Dense,
}

/// <summary>Memory of one block that somebody saves, whose pages a test fills, and what arrives of it.</summary>
sealed class SavedBlock : IDisposable
{
    const int Page = GuestMemory.PageSize;
    readonly GuestMemory _arrived;
    readonly BytesWriter _bytes = new();
    readonly Random _random = new(1);

    public SavedBlock(int pages)
    {
        Memory = new GuestMemory([("ram", pages * (long)Page)]);
        _arrived = new GuestMemory([("ram", pages * (long)Page)]);
        Guest = new MemoryGuest(Guid.NewGuid(), "saved", "local", Memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        Writer = new WireWriter(_bytes);
    }

    public GuestMemory Memory { get; }

    public MemoryGuest Guest { get; }

    public WireWriter Writer { get; }

    public long Pages => Memory.Ram.Pages;

    /// <summary>The guest writes all of a page.</summary>
    public unsafe void Fill(long page, SavedPage kind)
    {
        var bytes = new Span<byte>(Memory.Ram.PageForWrite(page), Page);
        bytes.Clear();
        if (kind == SavedPage.Sparse) _random.NextBytes(bytes.Slice(64, 8));
        if (kind == SavedPage.Dense) _random.NextBytes(bytes);
        Memory.Ram.Wrote(page);
    }

    /// <summary>What came of all that was saved.</summary>
    public GuestMemory Arrived()
    {
        Writer.Flush();
        var reader = new WireReader(new BytesReader(_bytes.Written, 4 * Page), MigrationSide.Source);
        var loader = new RamLoader(_ => _arrived) { AcceptsRuns = true };
        while (!reader.IsAtEnd()) loader.ReadBody(reader);
        loader.Ram!.CheckComplete(reader);
        return _arrived;
    }

    public void Dispose()
    {
        Guest.Remove();
        _arrived.Release();
    }
}
