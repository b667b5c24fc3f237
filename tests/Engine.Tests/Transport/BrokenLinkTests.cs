using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class BrokenLinkTests
{
    public static TheoryData<string> Kinds => Links.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Abort_wakes_readers_at_both_ends(string kind)
    {
        var (source, destination) = Links.Open(kind);
        var here = Links.Run(() => Read(source));
        var there = Links.Run(() => Read(destination));
        Thread.Sleep(100);
        source.Abort();
        source.Abort();
        Assert.Equal(MigrationErrorId.ConnectionLost, Links.Await(here));
        // A reader at the other end may see an end instead.
        Assert.True(Links.Await(there) is null or MigrationErrorId.ConnectionLost);
        source.Dispose();
        destination.Dispose();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Abort_wakes_a_writer_whose_reader_takes_nothing(string kind)
    {
        foreach (var isHere in new[] { true, false })
        {
            var (source, destination) = Links.Open(kind);
            var writing = Links.Run(() => WriteForever(source));
            Thread.Sleep(200);
            Assert.False(writing.IsCompleted);
            (isHere ? source : destination).Abort();
            Assert.Equal(MigrationErrorId.ConnectionLost, Links.Await(writing));
            source.Dispose();
            destination.Dispose();
            Assert.Equal(MigrationErrorId.ConnectionLost, Links.ErrorOf(() => Flush(source)));
            Assert.Equal(MigrationErrorId.ConnectionLost, Links.ErrorOf(() => source.Input.ReadAsync().AsTask().Wait()));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Writing_to_an_end_that_is_gone_fails(string kind)
    {
        var (source, destination) = Links.Open(kind);
        destination.Dispose();
        Assert.Equal(MigrationErrorId.ConnectionLost, Links.Await(Links.Run(() => WriteForever(source))));
        source.Dispose();
    }

    static MigrationErrorId? Read(IConnection link)
    {
        try
        {
            return link.Input.ReadAsync().AsTask().Result.IsCompleted ? null : MigrationErrorId.InternalError;
        }
        catch (MigrationException error)
        {
            return error.Id;
        }
    }

    static MigrationErrorId WriteForever(IConnection link)
    {
        try
        {
            while (true) Flush(link);
        }
        catch (MigrationException error)
        {
            return error.Id;
        }
    }

    static void Flush(IConnection link)
    {
        var writer = new WireWriter(link.Output);
        writer.Bytes(new byte[100_000]);
        writer.Flush();
    }
}
