using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>RAM in several blocks: their list, their names and CONTINUE, and the order in which dirty pages go.</summary>
public sealed class RamSaverTests : IDisposable
{
    const int Page = GuestMemory.PageSize;

    // One word of the bitmap, more than two, and less than one.
    static readonly (string Name, long Length)[] Blocks = [("pc.ram", 64 * Page), ("/rom@etc/acpi/tables", 130 * Page), ("pc.bios", 3 * Page)];

    readonly GuestMemory _memory = new(Blocks);
    readonly MemoryGuest _guest;
    readonly BytesWriter _bytes = new();
    readonly WireWriter _writer;

    public RamSaverTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "blocks", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        _writer = new WireWriter(_bytes);
        foreach (var block in _memory.Blocks)
            for (var page = 0; page < block.Pages; page += 3) Write(block, page, (byte)(page + 1));
    }

    [Fact]
    public void The_list_names_every_block_and_the_total()
    {
        var saver = new RamSaver(_guest);
        saver.SaveSetup(_writer);
        var reader = Reader();
        Assert.Equal((ulong)(197 * Page) | RamFlags.MemSize, reader.UInt64());
        foreach (var (name, length) in Blocks)
        {
            Assert.Equal(name, reader.Name());
            Assert.Equal((ulong)length, reader.UInt64());
        }
        Assert.Equal(RamFlags.Eos, reader.UInt64());
        Assert.True(reader.IsAtEnd());
        Assert.Equal(197 * Page, saver.PendingEstimate);
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(1)]
    [InlineData(3 * Page)]
    public void Every_page_of_every_block_goes_once_and_a_name_only_where_the_block_changes(long part)
    {
        var saver = Ready();
        while (saver.PendingEstimate > 0) saver.SaveIterate(_writer, part);
        saver.SaveComplete(_writer);
        var records = Records();
        Assert.Equal(Blocks.SelectMany(block => Enumerable.Range(0, (int)(block.Length / Page)).Select(page => (block.Name, (long)page))),
            records.Select(record => (record.Block, record.Page)));
        // The state survives the ends of sections: whatever the parts, three names in all.
        Assert.Equal([("pc.ram", 0L), ("/rom@etc/acpi/tables", 0L), ("pc.bios", 0L)],
            records.Where(record => record.IsNamed).Select(record => (record.Block, record.Page)));
        foreach (var record in records)
        {
            Assert.Equal(record.Page % 3 == 0 ? (byte)(record.Page + 1) : (byte)0, record.First);
            Assert.Equal(record.Page % 3 == 0, record.IsWhole);
        }
        Assert.Equal(197, saver.NormalPages + saver.ZeroPages);
    }

    [Fact]
    public void What_is_dirtied_behind_it_goes_after_the_last_block_with_its_name_again()
    {
        var saver = Ready();
        while (saver.PendingEstimate > 0) saver.SaveIterate(_writer, long.MaxValue);
        Write(_memory.Blocks[2], 1, 0x77);
        Write(_memory.Blocks[0], 5, 0x55);
        Write(_memory.Blocks[0], 6, 0x66);
        Assert.Equal(3 * Page, saver.PendingExact());
        Assert.Equal(3, saver.DirtyPagesFound);
        saver.SaveComplete(_writer);
        // The block of the pass before goes on without a name only if it is the next one to have a page.
        var last = Records()[^3..];
        Assert.Equal([("pc.ram", 5L, true, 0x55), ("pc.ram", 6L, false, 0x66), ("pc.bios", 1L, true, 0x77)],
            last.Select(record => (record.Block, record.Page, record.IsNamed, (int)record.First)));
        Assert.Equal(0, saver.PendingEstimate);
    }

    public void Dispose() => _guest.Remove();

    RamSaver Ready()
    {
        var saver = new RamSaver(_guest);
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        return saver;
    }

    static unsafe void Write(RamBlock block, long page, byte value)
    {
        block.PageForWrite(page)[0] = value;
        block.Wrote(page);
    }

    WireReader Reader()
    {
        _writer.Flush();
        return new WireReader(new BytesReader(_bytes.Written, 4 * Page), MigrationSide.Source);
    }

    /// <summary>The records of all bodies, read by the rules of the format and not by the loader.</summary>
    List<(string Block, long Page, bool IsNamed, bool IsWhole, byte First)> Records()
    {
        var reader = Reader();
        var records = new List<(string, long, bool, bool, byte)>();
        string? block = null;
        while (!reader.IsAtEnd())
        {
            var word = reader.UInt64();
            if (word == RamFlags.Eos) continue;
            var isNamed = (word & RamFlags.Continue) == 0;
            if (isNamed) block = reader.Name();
            Assert.NotNull(block);
            var isWhole = (word & RamFlags.Page) != 0;
            Assert.Equal(isWhole ? RamFlags.Page : RamFlags.Zero, word & RamFlags.Mask & ~RamFlags.Continue);
            var bytes = reader.Bytes(isWhole ? Page : 1);
            records.Add((block, (long)(word & ~RamFlags.Mask) / Page, isNamed, isWhole, bytes[0]));
        }
        return records;
    }
}
