using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Writes the stream of a small machine pc as a QEMU would, part by part; what is wrong in it is the test's affair.</summary>
sealed class ForeignStream
{
    public const string Machine = "pc-i440fx-7.2";

    /// <summary>Blocks of sixteen and of two pages.</summary>
    public static readonly (string Name, long Length)[] Blocks = [("pc.ram", 64 << 10), ("pc.bios", 8 << 10)];

    readonly BytesWriter _bytes = new();
    readonly VmDescription _description = new();
    readonly List<long> _boundaries = [0];
    readonly bool _hasFooters;
    string? _block;
    uint _sections = 10;

    public ForeignStream(bool hasFooters = true)
    {
        _hasFooters = hasFooters;
        Wire = new WireWriter(_bytes);
    }

    public WireWriter Wire { get; }

    public byte[] Bytes => _bytes.Written;

    /// <summary>Offsets between records.</summary>
    public IReadOnlyList<long> Boundaries => _boundaries;

    /// <summary>What page so and so of a block holds in the end.</summary>
    public static byte[] Content(string block, long page) => [.. Enumerable.Repeat((byte)(block.Length + page), GuestMemory.PageSize)];

    public ForeignStream Header(params ConfigurationSubsection[] subsections)
    {
        Wire.UInt32(StreamConstants.Magic);
        Wire.UInt32(StreamConstants.Version);
        if (_hasFooters) new ConfigurationRecord(Machine, subsections).Write(Wire);
        return Mark();
    }

    public ForeignStream Command(CommandType command, params byte[] payload)
    {
        CommandRecord.Write(Wire, command, payload);
        return Mark();
    }

    public ForeignStream ReturnPath() => Command(CommandType.OpenReturnPath).Command(CommandType.Ping, 0, 0, 0, 1);

    public ForeignStream Advise(ulong pageSizes = 0x1000)
    {
        var payload = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(payload, pageSizes);
        payload[14] = 0x10;
        return Command(CommandType.PostcopyAdvise, payload);
    }

    /// <summary>START of ram with all blocks; <paramref name="afterBlock"/> writes what follows a length.</summary>
    public ForeignStream Start(Action<string>? afterBlock = null) => Ram(RecordType.SectionStart, () =>
    {
        Wire.UInt64((ulong)Blocks.Sum(block => block.Length) | RamFlags.MemSize);
        foreach (var (name, length) in Blocks)
        {
            Wire.Name(name);
            Wire.UInt64((ulong)length);
            afterBlock?.Invoke(name);
        }
    });

    /// <summary>Every page of every block, but for what is left out.</summary>
    public ForeignStream Pages(RecordType type = RecordType.SectionPart, Func<string, long, bool>? isLeftOut = null) => Ram(type, () =>
    {
        foreach (var (name, length) in Blocks)
            for (long page = 0; page < length / GuestMemory.PageSize; page++)
                if (isLeftOut?.Invoke(name, page) != true) Page(name, page, Content(name, page));
    });

    public ForeignStream End() => Ram(RecordType.SectionEnd, () => { });

    public ForeignStream Ram(RecordType type, Action body)
    {
        var section = new SectionHeader(2, StreamConstants.RamSection, 0, StreamConstants.RamVersion);
        if (type == RecordType.SectionStart) section.WriteNamed(Wire, type);
        else section.WriteBare(Wire, type);
        body();
        Wire.UInt64(RamFlags.Eos);
        if (_hasFooters) section.WriteFooter(Wire);
        return Mark();
    }

    public void Page(string block, long page, ReadOnlySpan<byte> bytes)
    {
        Word(block, page, RamFlags.Page);
        Wire.Bytes(bytes);
        Mark();
    }

    /// <summary>The word of a page record, and the block's name if it is another one.</summary>
    public void Word(string block, long page, ulong flag)
    {
        Wire.UInt64(((ulong)page * GuestMemory.PageSize) | flag | (block == _block ? RamFlags.Continue : 0));
        if (block != _block) Wire.Name(block);
        _block = block;
    }

    public ForeignStream Device(string name, uint instance, params byte[] body)
    {
        var section = new SectionHeader(_sections++, name, instance, 1);
        section.WriteNamed(Wire, RecordType.SectionFull);
        Wire.Bytes(body);
        if (_hasFooters) section.WriteFooter(Wire);
        _description.Add(name, instance, body.Length);
        return Mark();
    }

    public ForeignStream Devices() => Device("timer", 0, new byte[24]).Device("cpu", 0, [.. Enumerable.Range(0, 200).Select(i => (byte)i)])
        .Device("cpu", 1, 0x7E, 0, 0, 0, 12, 0, 6, 0, 0, 0, 9, (byte)'{').Device("0000:00:01.1/ide", 0, 4, 0, 0, 0, 1, 1, 65);

    public ForeignStream Eof()
    {
        Wire.Byte((byte)RecordType.Eof);
        return Mark();
    }

    public ForeignStream Description()
    {
        _description.Write(Wire);
        return Mark();
    }

    /// <summary>A package with what is written into the inner stream.</summary>
    public ForeignStream Package(Action<ForeignStream> write)
    {
        var inner = new ForeignStream();
        write(inner);
        var bytes = inner.Bytes;
        Command(CommandType.Packaged, (byte)(bytes.Length >> 24), (byte)(bytes.Length >> 16), (byte)(bytes.Length >> 8), (byte)bytes.Length);
        Wire.Bytes(bytes);
        return Mark();
    }

    /// <summary>A whole precopy stream.</summary>
    public static ForeignStream Precopy() =>
        new ForeignStream().Header().ReturnPath().Start().Pages().Command(CommandType.SwitchoverStart).End().Devices().Eof().Description();

    ForeignStream Mark()
    {
        Wire.Flush();
        if (_boundaries[^1] != Wire.Position) _boundaries.Add(Wire.Position);
        return this;
    }
}
