using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class AllocationTests
{
    const int Rounds = 10_000;

    public static TheoryData<string> Kinds => Links.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Records_go_through_without_garbage_at_either_end(string kind)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        var reading = Links.Run(() =>
        {
            var reader = new WireReader(destination.Input, MigrationSide.Source);
            var page = new byte[4096];
            return Measure(() =>
            {
                reader.UInt64();
                reader.Bytes(page);
            });
        });
        var writer = new WireWriter(source.Output);
        var content = new byte[4096];
        var written = Measure(() =>
        {
            writer.UInt64(4711);
            writer.Bytes(content);
            if (writer.Position % 16 == 0) writer.Flush();
        });
        writer.Flush();
        Assert.InRange(written, 0, 1024);
        Assert.InRange(reading.GetAwaiter().GetResult(), 0, 1024);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Bytes_go_straight_through_without_garbage_at_either_end(string kind)
    {
        const int Size = 64 << 10;
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        var reading = Links.Run(() =>
        {
            var reader = new WireReader(destination.Input, MigrationSide.Source);
            var memory = new byte[Size];
            return Measure(() =>
            {
                reader.UInt64();
                reader.ReadThrough(memory);
            });
        });
        var writer = new WireWriter(source.Output);
        var content = new byte[Size];
        var written = Measure(() =>
        {
            writer.UInt64(4711);
            writer.WriteThrough(content);
        });
        Assert.InRange(written, 0, 1024);
        Assert.InRange(reading.GetAwaiter().GetResult(), 0, 1024);
    }

    // The first rounds allocate the blocks. Garbage of the records comes in every stretch; what the runtime allocates while it
    // compiles comes in one, so the best of three counts.
    static long Measure(Action round)
    {
        for (var i = 0; i < 2000; i++) round();
        return Enumerable.Range(0, 3).Min(_ =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < Rounds; i++) round();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });
    }
}
