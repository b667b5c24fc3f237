using System.Buffers.Binary;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Bends a valid stream in one to four places; the same seed bends it in the same way.</summary>
sealed class Mutator(int seed)
{
    // Values at which lengths and counters go wrong.
    static readonly ulong[] Extremes =
        [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, long.MaxValue, 1UL << 63, ulong.MaxValue];

    readonly Random _random = new(seed);

    public byte[] Mutate(RecordedStream stream)
    {
        var bytes = stream.Bytes;
        for (var count = 1 + _random.Next(4); count > 0; count--) bytes = Once(bytes, stream);
        return bytes;
    }

    byte[] Once(byte[] bytes, RecordedStream stream) => _random.Next(8) switch
    {
        0 or 1 => Flip(bytes, stream),
        2 => Number(bytes, stream),
        3 => bytes[..Place(bytes, stream)],
        4 => Insert(bytes, stream),
        5 => Delete(bytes, stream),
        6 => Splice(bytes, stream),
        _ => Drop(bytes, stream),
    };

    /// <summary>Half of all places lie in the first bytes of a record, where lengths, types and flags are; few are inside pages.</summary>
    int Place(byte[] bytes, RecordedStream stream)
    {
        if (_random.Next(8) == 0) return _random.Next(bytes.Length + 1);
        var boundaries = stream.Boundaries;
        // RAM records are many and alike: every second place is before them or after them.
        var index = _random.Next(3) switch
        {
            0 => _random.Next(Math.Min(8, boundaries.Count)),
            1 => boundaries.Count - 1 - _random.Next(Math.Min(12, boundaries.Count)),
            _ => _random.Next(boundaries.Count),
        };
        return (int)Math.Min(bytes.Length, boundaries[index] + _random.Next(64));
    }

    byte[] Flip(byte[] bytes, RecordedStream stream)
    {
        var copy = bytes.ToArray();
        var at = Place(bytes, stream);
        if (at < copy.Length) copy[at] ^= (byte)(1 << _random.Next(8));
        return copy;
    }

    byte[] Number(byte[] bytes, RecordedStream stream)
    {
        var copy = bytes.ToArray();
        var at = Place(bytes, stream);
        var value = Extremes[_random.Next(Extremes.Length)];
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(number, value);
        var size = 1 << _random.Next(4);
        if (at + size <= copy.Length) number[(8 - size)..].CopyTo(copy.AsSpan(at));
        return copy;
    }

    byte[] Insert(byte[] bytes, RecordedStream stream)
    {
        var at = Place(bytes, stream);
        var rubbish = new byte[1 + _random.Next(32)];
        _random.NextBytes(rubbish);
        return [.. bytes[..at], .. rubbish, .. bytes[at..]];
    }

    byte[] Delete(byte[] bytes, RecordedStream stream)
    {
        var at = Place(bytes, stream);
        return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + 1 + _random.Next(32))..]];
    }

    /// <summary>A record once more, somewhere else.</summary>
    byte[] Splice(byte[] bytes, RecordedStream stream)
    {
        var (start, end) = Record(bytes, stream);
        var to = (int)Math.Min(bytes.Length, stream.Boundaries[_random.Next(stream.Boundaries.Count)]);
        return [.. bytes[..to], .. bytes[start..end], .. bytes[to..]];
    }

    /// <summary>A record less.</summary>
    byte[] Drop(byte[] bytes, RecordedStream stream)
    {
        var (start, end) = Record(bytes, stream);
        return [.. bytes[..start], .. bytes[end..]];
    }

    (int Start, int End) Record(byte[] bytes, RecordedStream stream)
    {
        var index = _random.Next(stream.Boundaries.Count - 1);
        return ((int)Math.Min(bytes.Length, stream.Boundaries[index]), (int)Math.Min(bytes.Length, stream.Boundaries[index + 1]));
    }
}
