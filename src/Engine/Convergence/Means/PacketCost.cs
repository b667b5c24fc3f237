namespace PsMigrate.Engine.Convergence;

/// <summary>What some packets of one channel cost.</summary>
/// <param name="PageBytes">Bytes of their pages.</param>
/// <param name="SentBytes">Bytes that went for those.</param>
/// <param name="Packing">How long it took to make packets of the pages.</param>
/// <param name="Sending">How long the link took to take them.</param>
readonly record struct PacketCost(long PageBytes, long SentBytes, TimeSpan Packing, TimeSpan Sending)
{
    /// <summary>What was sent for a byte of pages: less than 1 where compressing gains.</summary>
    public double Share => PageBytes == 0 ? 1 : (double)SentBytes / PageBytes;

    /// <summary>Both together.</summary>
    public static PacketCost operator +(PacketCost a, PacketCost b) =>
        new(a.PageBytes + b.PageBytes, a.SentBytes + b.SentBytes, a.Packing + b.Packing, a.Sending + b.Sending);

    /// <summary>Bytes of pages per second, where the channel may send no more than so many bytes per second; 0 is no limit.</summary>
    public double Speed(long limit)
    {
        var own = (Packing + Sending).TotalSeconds;
        var allowed = limit > 0 ? SentBytes / (double)limit : 0;
        return PageBytes / Math.Max(Math.Max(own, allowed), 1e-9);
    }
}
