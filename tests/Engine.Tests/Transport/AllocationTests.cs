using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class AllocationTests
{
    const int Rounds = 10_000;

    // What the runtime itself may allocate on a thread while it compiles; a single object a round would be fifteen times as much.
    const int RuntimeNoise = 16 << 10;

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
        Assert.InRange(written, 0, RuntimeNoise);
        Assert.InRange(reading.GetAwaiter().GetResult(), 0, RuntimeNoise);
    }

    // The first rounds allocate the blocks.
    static long Measure(Action round)
    {
        for (var i = 0; i < 2000; i++) round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Rounds; i++) round();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
