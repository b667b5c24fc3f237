using System.Buffers.Binary;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// POSTCOPY_FIGURES: <c>u64 faults, requested pages, pages, median, 99th percentile, worst, blocked time; u8 n, n × u32 latencies; u8 vCPUs,
/// vCPUs × u40 blocked times</c>. Times are in units of 100 ns. With all that there may be it is 506 bytes long, within QEMU's limit; what is
/// too large for its field is sent as the largest that fits.
/// </summary>
static class PostcopyFiguresMessage
{
    /// <summary>The most entries of <see cref="PostcopyFigures.Latencies"/> that are sent; the last one then counts all longer ones too.</summary>
    public const int MaxLatencies = 32;

    const int Longs = 7;
    const int BlockedSize = 5;
    const long MaxBlocked = (1L << (BlockedSize * 8)) - 1;

    /// <summary>Without latencies and vCPUs, bytes.</summary>
    public const int LeastLength = (Longs * 8) + 1 + 1;

    /// <summary>With as many as there may be of both, bytes.</summary>
    public const int MostLength = LeastLength + (MaxLatencies * 4) + (GuestAnnouncement.MaxProcessors * BlockedSize);

    public static ReturnPathMessage Of(PostcopyFigures figures)
    {
        var latencies = Folded(figures.Latencies);
        var blocked = figures.BlockedTimes.Take(GuestAnnouncement.MaxProcessors).ToArray();
        var payload = new byte[LeastLength + (latencies.Length * 4) + (blocked.Length * BlockedSize)];
        var rest = payload.AsSpan();
        foreach (var value in (ReadOnlySpan<long>)[figures.Faults, figures.RequestedPages, figures.Pages, figures.MedianLatency.Ticks,
            figures.Latency99.Ticks, figures.WorstLatency.Ticks, figures.BlockedTime.Ticks])
            BinaryPrimitives.WriteInt64BigEndian(Take(ref rest, 8), value);
        Take(ref rest, 1)[0] = (byte)latencies.Length;
        foreach (var count in latencies) BinaryPrimitives.WriteUInt32BigEndian(Take(ref rest, 4), (uint)Math.Min(count, uint.MaxValue));
        Take(ref rest, 1)[0] = (byte)blocked.Length;
        foreach (var time in blocked) WriteBlocked(Take(ref rest, BlockedSize), Math.Min(time.Ticks, MaxBlocked));
        return new ReturnPathMessage(ReturnPathType.PostcopyFigures, payload);
    }

    /// <summary>What a message of that type says. Throws InvalidLength, InvalidValue.</summary>
    public static PostcopyFigures Read(ReturnPathMessage message)
    {
        ReadOnlySpan<byte> rest = message.Payload;
        var longs = new long[Longs];
        foreach (ref var value in longs.AsSpan())
        {
            value = BinaryPrimitives.ReadInt64BigEndian(Next(ref rest, 8));
            if (value < 0) throw Error(MigrationErrorId.InvalidValue, "a figure is larger than any can be");
        }
        int count = Next(ref rest, 1)[0];
        if (count > MaxLatencies) throw Error(MigrationErrorId.InvalidValue, $"{count} entries of latencies are more than {MaxLatencies}");
        var latencies = new long[count];
        foreach (ref var latency in latencies.AsSpan()) latency = BinaryPrimitives.ReadUInt32BigEndian(Next(ref rest, 4));
        int processors = Next(ref rest, 1)[0];
        if (processors > GuestAnnouncement.MaxProcessors)
            throw Error(MigrationErrorId.InvalidValue, $"{processors} vCPUs are more than {GuestAnnouncement.MaxProcessors}");
        var blocked = new TimeSpan[processors];
        foreach (ref var time in blocked.AsSpan()) time = new TimeSpan(ReadBlocked(Next(ref rest, BlockedSize)));
        if (!rest.IsEmpty) throw Error(MigrationErrorId.InvalidLength, $"there are {rest.Length} bytes too many");
        return new PostcopyFigures
        {
            Faults = longs[0],
            RequestedPages = longs[1],
            Pages = longs[2],
            MedianLatency = new TimeSpan(longs[3]),
            Latency99 = new TimeSpan(longs[4]),
            WorstLatency = new TimeSpan(longs[5]),
            BlockedTime = new TimeSpan(longs[6]),
            Latencies = latencies,
            BlockedTimes = blocked,
        };
    }

    static long[] Folded(IReadOnlyList<long> latencies) => latencies.Count <= MaxLatencies
        ? [.. latencies]
        : [.. latencies.Take(MaxLatencies - 1), latencies.Skip(MaxLatencies - 1).Sum()];

    static void WriteBlocked(Span<byte> to, long ticks)
    {
        to[0] = (byte)(ticks >> 32);
        BinaryPrimitives.WriteUInt32BigEndian(to[1..], (uint)ticks);
    }

    static long ReadBlocked(ReadOnlySpan<byte> from) => ((long)from[0] << 32) | BinaryPrimitives.ReadUInt32BigEndian(from[1..]);

    static Span<byte> Take(ref Span<byte> rest, int count)
    {
        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }

    static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> rest, int count)
    {
        if (rest.Length < count) throw Error(MigrationErrorId.InvalidLength, "it ends early");
        var next = rest[..count];
        rest = rest[count..];
        return next;
    }

    static MigrationException Error(MigrationErrorId id, string why) =>
        new(id, MigrationSide.Destination, $"Return path message {ReturnPathType.PostcopyFigures} can't be read: {why}.");
}
