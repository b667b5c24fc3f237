using System.IO.Hashing;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class ConnectionTests
{
    const int Total = 64 << 20;

    public static TheoryData<string> Kinds => Links.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void All_bytes_arrive_in_order_whatever_the_sizes(string kind)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        var content = new byte[Total];
        new Random(7).NextBytes(content);

        var received = Links.Run(() => Receive(destination));
        Send(source, content);
        Assert.Equal(XxHash128.HashToUInt128(content), received.GetAwaiter().GetResult());
        Assert.Equal(Total, source.BytesSent);
        Assert.Equal(Total, destination.BytesReceived);

        // And back, over the other direction.
        var back = Links.Run(() => Receive(source));
        Send(destination, content);
        Assert.Equal(XxHash128.HashToUInt128(content), back.GetAwaiter().GetResult());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_flushed_before_Dispose_arrives_and_then_the_end(string kind)
    {
        var (source, destination) = Links.Open(kind);
        // Bytes that the source never reads must not turn the orderly end into a reset.
        new WireWriter(destination.Output).UInt64(1);
        destination.Output.FlushAsync().AsTask().Wait();
        var writer = new WireWriter(source.Output);
        writer.Bytes(new byte[60_000]);
        writer.Flush();
        source.Dispose();
        source.Dispose();

        var reader = new WireReader(destination.Input, MigrationSide.Source);
        Assert.Equal(60_000, reader.Bytes(60_000).Length);
        Assert.True(reader.IsAtEnd());
        destination.Dispose();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Completing_the_output_ends_one_direction_only(string kind)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        new WireWriter(source.Output).UInt32(42);
        source.Output.Complete();
        var reader = new WireReader(destination.Input, MigrationSide.Source);
        Assert.Equal(42u, reader.UInt32());
        Assert.True(reader.IsAtEnd());

        var answer = new WireWriter(destination.Output);
        answer.Byte(9);
        answer.Flush();
        Assert.Equal(9, new WireReader(source.Input, MigrationSide.Destination).Byte());
    }

    static void Send(IConnection link, byte[] content)
    {
        var random = new Random(11);
        var writer = new WireWriter(link.Output);
        for (var sent = 0; sent < content.Length;)
        {
            var count = Math.Min(content.Length - sent, random.Next(8) == 0 ? random.Next(1, 200_000) : random.Next(1, 5_000));
            writer.Bytes(content.AsSpan(sent, count));
            sent += count;
            if (random.Next(64) == 0) writer.Flush();
        }
        writer.Flush();
    }

    static UInt128 Receive(IConnection link)
    {
        var random = new Random(13);
        var reader = new WireReader(link.Input, MigrationSide.Source);
        var hash = new XxHash128();
        for (var left = Total; left > 0;)
        {
            var count = Math.Min(left, random.Next(8) == 0 ? WireReader.MaxPeek : random.Next(1, 5_000));
            hash.Append(reader.Peek(count)[..count]);
            reader.Skip(count);
            left -= count;
        }
        // Nothing is left over, and the direction back is still to come: so no look at the end.
        return hash.GetCurrentHashAsUInt128();
    }
}
