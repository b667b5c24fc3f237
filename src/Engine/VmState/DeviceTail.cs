using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// The end of a precopy stream as it arrives: FULL sections that nobody here understands, EOF, VMDESCRIPTION. Nothing on the wire
/// says how long they are, so the end is the first place where EOF is followed by a description that can be read. Holds all of
/// it, up to a limit. A place is tried once, when all of its bytes are there, and a stream with many false ones is refused: the
/// work grows with the bytes, whatever they are.
/// </summary>
/// <param name="hasFooters">False for machines up to 2.3, whose sections have none.</param>
/// <param name="sender">Who is to blame.</param>
/// <param name="maxBytes">The most to hold.</param>
sealed class DeviceTail(bool hasFooters = true, MigrationSide sender = MigrationSide.Source, int maxBytes = DeviceTail.DefaultLimit)
{
    /// <summary>64 MiB; the devices of large machines take some MiB.</summary>
    public const int DefaultLimit = 64 << 20;

    // EOF, type, u32 length.
    const int PrefixSize = 1 + 1 + 4;
    const int FooterSize = 1 + 4;

    // A false place needs 00 06, a length, '{', and further on JSON that ends just there: real devices hold none.
    const int MaxTrials = 16;
    const int MaxPending = 4096;

    // Places whose text has not all arrived, the one that ends first in front.
    readonly PriorityQueue<int, int> _pending = new();
    byte[] _bytes = new byte[64 << 10];
    int _length;
    int _scanned;
    int _trials;
    int _eof;

    /// <summary>Whether the description has come.</summary>
    public bool IsComplete => Machine is not null;

    /// <summary>The description, when <see cref="IsComplete"/>.</summary>
    public DescribedMachine? Machine { get; private set; }

    /// <summary>Bytes taken so far.</summary>
    public int Length => _length;

    /// <summary>The sections without EOF, once an end was found.</summary>
    public ReadOnlySpan<byte> Sections => _bytes.AsSpan(0, _eof);

    /// <summary>The JSON of the description, verbatim; empty without one.</summary>
    public ReadOnlySpan<byte> Description => IsComplete ? _bytes.AsSpan(_eof + PrefixSize, _length - _eof - PrefixSize) : default;

    /// <summary>
    /// Takes the next bytes and gives how many of them belong to the tail: fewer than all only when it is complete. Throws
    /// InvalidLength when the limit is reached, InvalidValue for too many false ends.
    /// </summary>
    public int Append(ReadOnlySpan<byte> bytes)
    {
        if (IsComplete) return 0;
        var before = _length;
        var taken = bytes[..Math.Min(bytes.Length, maxBytes - before)];
        Hold(taken);
        if (Find() is { } end)
        {
            _length = end;
            return end - before;
        }
        if (taken.Length < bytes.Length)
            throw new MigrationException(MigrationErrorId.InvalidLength, sender, $"Device sections of more than {maxBytes} bytes can't be.")
            { StreamOffset = maxBytes };
        return taken.Length;
    }

    /// <summary>
    /// Whether the bytes so far can be all, although no description came (suppress-vmdesc): they end in EOF and can be cut by their
    /// footers. To be asked when the link has ended or fallen silent, not for each byte.
    /// </summary>
    public bool TryEndWithoutDescription()
    {
        if (IsComplete || !hasFooters || _length == 0 || (RecordType)_bytes[_length - 1] != RecordType.Eof) return false;
        try
        {
            SectionCutter.ByFooters(_bytes.AsSpan(0, _length), out var end, sender);
            if (end != _length - 1) return false;
        }
        catch (MigrationException)
        {
            return false;
        }
        _eof = _length - 1;
        return true;
    }

    /// <summary>The sections, by the description if there is one. As <see cref="SectionCutter"/>.</summary>
    public DeviceRecord[] Cut() => Machine is { } machine
        ? SectionCutter.ByDescription(Sections, machine, hasFooters, sender: sender)
        : SectionCutter.ByFooters(Sections, out _, sender);

    int? Find()
    {
        for (; _scanned + PrefixSize + 2 <= _length; _scanned++)
        {
            var found = _bytes.AsSpan(_scanned, _length - _scanned).IndexOf([(byte)RecordType.Eof, (byte)RecordType.VmDescription]);
            // The last byte may be the first of the two.
            _scanned = found < 0 ? _length - 1 : _scanned + found;
            if (_scanned + PrefixSize + 2 > _length) break;
            if (!IsPlausible(_scanned, out var end)) continue;
            if (_pending.Count == MaxPending) throw TooMany();
            _pending.Enqueue(_scanned, end);
        }
        while (_pending.TryPeek(out var start, out var end) && end <= _length)
        {
            _pending.Dequeue();
            if (_bytes[end - 1] == '}' && IsDescription(start, end)) return end;
        }
        return null;
    }

    /// <summary>EOF after a footer or at the very beginning, a length that can be, and text that begins as an object.</summary>
    bool IsPlausible(int at, out int end)
    {
        var length = BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(at + 2));
        end = at + PrefixSize + (int)Math.Min(length, int.MaxValue / 2);
        if (length is < 2 or > DescriptionParser.MaxLength || end > maxBytes || _bytes[at + PrefixSize] != '{') return false;
        if (_bytes[at + PrefixSize + 1] is not ((byte)'"' or (byte)' ' or (byte)'\n')) return false;
        return at == 0 || !hasFooters || (at >= FooterSize && (RecordType)_bytes[at - FooterSize] == RecordType.Footer);
    }

    bool IsDescription(int start, int end)
    {
        if (++_trials > MaxTrials) throw TooMany();
        try
        {
            Machine = DescribedMachine.Parse(_bytes.AsSpan((start + PrefixSize)..end), sender);
            _eof = start;
            return true;
        }
        catch (MigrationException)
        {
            return false;
        }
    }

    void Hold(ReadOnlySpan<byte> bytes)
    {
        if (_bytes.Length < _length + bytes.Length)
            Array.Resize(ref _bytes, (int)Math.Min(maxBytes, Math.Max(_bytes.Length * 2L, _length + (long)bytes.Length)));
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
    }

    MigrationException TooMany() => new(MigrationErrorId.InvalidValue, sender,
        "The device sections hold too many places that look like their end.") { StreamOffset = _length };
}
