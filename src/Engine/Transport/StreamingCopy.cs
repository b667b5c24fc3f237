using System.Runtime.Intrinsics;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// Copies much that nobody looks at soon: past the cache, so that the processor does not first read what it is about to overwrite. Under
/// <see cref="Least"/>, and without vectors of 32 bytes, it is the framework's copy.
/// </summary>
static unsafe class StreamingCopy
{
    /// <summary>Bytes from which on it is the faster way.</summary>
    public const int Least = 128 << 10;

    const int Step = 256;

    /// <summary>Copies all of <paramref name="from"/> to the beginning of <paramref name="to"/>. They must not overlap.</summary>
    public static void Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (from.Length < Least || !Vector256.IsHardwareAccelerated)
        {
            from.CopyTo(to);
            return;
        }
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from.Length, to.Length);
        fixed (byte* source = from, target = to)
        {
            // Such stores want a multiple of their length.
            var head = (int)(-(nint)target & 63);
            var steps = (from.Length - head) / Step;
            from[..head].CopyTo(to);
            if (Vector512.IsHardwareAccelerated) Copy512(source + head, target + head, steps);
            else Copy256(source + head, target + head, steps);
            var done = head + (steps * Step);
            from[done..].CopyTo(to[done..]);
        }
        // They are in no order with other stores until then.
        Thread.MemoryBarrier();
    }

    static void Copy512(byte* from, byte* to, int steps)
    {
        for (; steps > 0; steps--, from += Step, to += Step)
        {
            var (a, b, c, d) = (Vector512.Load(from), Vector512.Load(from + 64), Vector512.Load(from + 128), Vector512.Load(from + 192));
            a.StoreAlignedNonTemporal(to);
            b.StoreAlignedNonTemporal(to + 64);
            c.StoreAlignedNonTemporal(to + 128);
            d.StoreAlignedNonTemporal(to + 192);
        }
    }

    /// <summary>The same in steps of 32 bytes.</summary>
    public static void Copy256(byte* from, byte* to, int steps)
    {
        for (; steps > 0; steps--, from += Step, to += Step)
            for (var at = 0; at < Step; at += 64)
            {
                var (a, b) = (Vector256.Load(from + at), Vector256.Load(from + at + 32));
                a.StoreAlignedNonTemporal(to + at);
                b.StoreAlignedNonTemporal(to + at + 32);
            }
    }
}
