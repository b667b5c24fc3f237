using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Runs of zero pages are short to send and long to look at: a link that is cut ends them, however many have been received.</summary>
public sealed class ZeroRunTests : IDisposable
{
    const int Page = GuestMemory.PageSize;

    // Pages between two looks at the link.
    const int Stretch = 1 << 14;
    const int Pages = (3 * Stretch) + 5;

    // Word, name with its length, pages.
    const int RecordSize = 8 + 4 + 4;

    readonly GuestMemory _memory = new([("ram", (long)Pages * Page)]);

    [Theory]
    [MemberData(nameof(Links.Kinds), MemberType = typeof(Links))]
    public void A_cut_link_ends_them_before_the_next(string kind)
    {
        foreach (var cut in (Action<IConnection>[])[link => link.Abort(), link => link.EndInput()])
        {
            var (source, destination) = Links.Open(kind);
            using (source)
            using (destination)
            {
                var writer = new WireWriter(source.Output);
                for (var i = 0; i < 100; i++) Run(writer);
                writer.Flush();
                var (reader, records) = (new WireReader(destination.Input, MigrationSide.Source), Records());
                // All that there is, so that no record needs the link any more.
                reader.Peek(100 * RecordSize);
                for (var i = 0; i < 3; i++) Assert.True(records.TryRead(reader, reader.UInt64()));
                cut(destination);
                Assert.Equal(MigrationErrorId.ConnectionLost, Links.ErrorOf(() => records.TryRead(reader, reader.UInt64())));
                Assert.Equal(3L * Pages, records.ZeroPages);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_that_is_long_ends_on_its_way(bool keepsFirst)
    {
        var bytes = new BytesWriter();
        var writer = new WireWriter(bytes);
        for (var i = 0; i < 100; i++) Run(writer);
        writer.Flush();
        // Four looks for each: the last is for the five pages.
        var (reader, records) = (new WireReader(new CutAt(6, bytes.Written), MigrationSide.Source), Records());
        records.Ram!.KeepsFirst = keepsFirst;
        Assert.True(records.TryRead(reader, reader.UInt64()));
        Assert.Equal(0, records.Ram.MissingPages);
        Assert.Equal(MigrationErrorId.ConnectionLost, Links.ErrorOf(() => records.TryRead(reader, reader.UInt64())));
        Assert.Equal(Pages + Stretch, records.ZeroPages);
    }

    [Fact]
    public void A_long_one_clears_all_of_its_pages()
    {
        foreach (var page in (long[])[1, Stretch - 1, Stretch, (2 * Stretch) + 7, Pages - 1]) Write(page);
        var bytes = new BytesWriter();
        var writer = new WireWriter(bytes);
        writer.UInt64(Page | RamFlags.Run | RamFlags.Zero);
        writer.Name("ram");
        writer.UInt32(Pages - 1);
        writer.Flush();
        var (reader, records) = (new WireReader(new BytesReader(bytes.Written), MigrationSide.Source), Records());
        Assert.True(records.TryRead(reader, reader.UInt64()));
        Assert.Equal((Pages - 1, 1, 0), (records.ZeroPages, records.Ram!.MissingPages, records.Ram.Blocks[0].FirstMissing));
        for (var page = 0; page < Pages; page++) Assert.True(PageContent.IsZero(_memory.Ram.Page(page)), $"Page {page} is not zero.");
    }

    public void Dispose() => _memory.Release();

    PageRecords Records() => new() { AcceptsRuns = true, Ram = new ArrivingRam(_memory) };

    static void Run(WireWriter writer)
    {
        writer.UInt64(RamFlags.Run | RamFlags.Zero);
        writer.Name("ram");
        writer.UInt32(Pages);
    }

    unsafe void Write(long page) => *_memory.Ram.PageForWrite(page) = 1;

    /// <summary>Bytes that are all there at once, of a link that is cut by the time of one of the looks at it.</summary>
    sealed class CutAt(int look, byte[] bytes) : BlockPipeReader
    {
        int _looks;

        public override void ThrowIfCut()
        {
            if (++_looks == look) throw LinkErrors.ClosedHere("the test");
        }

        protected override int Receive()
        {
            MoveToFront(bytes.Length);
            if (End > Start) return 0;
            bytes.CopyTo(Block, 0);
            return End = bytes.Length;
        }

        protected override int ReceiveThrough(Span<byte> to) => throw new NotSupportedException();

        protected override bool IsReady() => true;
    }
}
