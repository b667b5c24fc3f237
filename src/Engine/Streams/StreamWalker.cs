using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>Goes through a stream record by record (qemu_loadvm_state_main) and keeps what it sees, up to the first damage.</summary>
/// <param name="file">At the header.</param>
/// <param name="sink">Sees the pages; may be null.</param>
/// <param name="cancellation">Ends the walk.</param>
sealed class StreamWalker(StreamFile file, IRamSink? sink, CancellationToken cancellation)
{
    const int MaxCommands = 1 << 16;
    const string MappedRam = "mapped-ram";
    const string IgnoreShared = "x-ignore-shared";

    readonly long _offset = file.Position;
    readonly PassTracker _passes = new();
    readonly List<StreamCommand> _commands = [];
    StreamConfiguration? _configuration;
    DeviceList? _devices;
    SectionList? _sections;
    RamReader? _ram;
    uint _version;
    bool _isPostcopy;
    bool _hasEof;

    // Where the last record that could be read ends.
    long _end;

    RamReader Ram => _ram ??= new RamReader(file, _passes, sink);

    SectionList Sections => _sections ??= new SectionList(file, Ram, _passes, cancellation);

    DeviceList Devices => _devices ??= new DeviceList(file, Sections);

    /// <summary>Throws what the first damage is.</summary>
    public void Walk()
    {
        _end = _offset;
        _version = ConfigurationReader.ReadHeader(file);
        if (file.PeekUpTo(1) is [(byte)RecordType.Configuration])
        {
            file.Skip(1);
            _configuration = ConfigurationReader.Read(file);
            Ram.IsMapped = _configuration.Capabilities.Contains(MappedRam);
            Ram.HasAddresses = _configuration.Capabilities.Contains(IgnoreShared);
        }
        while (!_hasEof)
        {
            cancellation.ThrowIfCancellationRequested();
            _end = file.Position;
            file.Where = "a record";
            ReadRecord((RecordType)file.Byte());
        }
        Devices.ReadDescription();
        // RUN of this project comes last.
        while (file.PeekUpTo(2) is [(byte)RecordType.Command, (byte)((ushort)CommandType.Run >> 8)])
        {
            _end = file.Position;
            file.Skip(1);
            ReadCommand();
        }
        _end = file.Position;
    }

    /// <summary>All that was seen.</summary>
    public MigrationStream Result(MigrationException? error)
    {
        // Values are decoded here, since their description comes last.
        var devices = Devices.Decode(ref error);
        return new MigrationStream
        {
            Path = file.Path,
            Offset = _offset,
            Length = _end - _offset,
            Kind = Ram.IsMapped ? MigrationStreamKind.MappedRam : _isPostcopy ? MigrationStreamKind.Postcopy : MigrationStreamKind.Precopy,
            Version = _version,
            Configuration = _configuration,
            Sections = Sections.ToArray(),
            SectionCount = Sections.Count,
            Blocks = [.. Ram.Blocks.Select(block => block.ToBlock())],
            Passes = _passes.Finish(),
            Devices = devices,
            Commands = [.. _commands],
            Description = Devices.Description,
            HasEof = _hasEof,
            TrailingBytes = file.Length - _end,
            Error = error,
        };
    }

    void ReadRecord(RecordType type)
    {
        switch (type)
        {
            case RecordType.SectionStart or RecordType.SectionPart or RecordType.SectionEnd:
                Sections.ReadLive((StreamSectionType)type);
                break;
            // Behind RAM come the devices and nothing else; before it a section may announce something.
            case RecordType.SectionFull when Sections.HasRamEnded:
                _hasEof = Devices.ReadTail();
                break;
            case RecordType.SectionFull:
                Devices.ReadEarly();
                break;
            case RecordType.Command:
                ReadCommand();
                break;
            case RecordType.Eof:
                _hasEof = true;
                break;
            default:
                throw file.ErrorAt(file.Position - 1, MigrationErrorId.UnknownRecord, $"Record type 0x{(byte)type:x2} is not known.");
        }
    }

    void ReadCommand()
    {
        var (type, command) = CommandReader.Read(file, inPackage: false);
        Keep(command);
        switch (type)
        {
            case CommandType.PostcopyAdvise when command.Payload.Length == 16:
                Ram.PageSizes = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(command.Payload);
                break;
            case CommandType.PostcopyRamDiscard:
                Discard(command);
                break;
            case CommandType.Packaged:
                _isPostcopy = true;
                Devices.ReadPackage(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(command.Payload), Keep);
                break;
        }
    }

    void Keep(StreamCommand command)
    {
        if (_commands.Count < MaxCommands) _commands.Add(command);
    }

    void Discard(StreamCommand command)
    {
        if (sink is null) return;
        var block = Ram.Find(command.Block ?? "") ?? throw file.ErrorAt(command.Offset, MigrationErrorId.UnknownBlock,
            $"Pages of block '{Printable.Text(command.Block ?? "")}' are discarded, and it is not in the list.");
        foreach (var range in command.Ranges)
        {
            if (range.Start < 0 || range.Length < 0 || range.Length > block.Length - range.Start)
                throw file.ErrorAt(command.Offset, MigrationErrorId.OffsetOutOfRange,
                    $"Pages outside block '{Printable.Text(block.Name)}' are discarded.");
            sink.Discard(block, range.Start / RamReader.PageSize, range.Length / RamReader.PageSize);
        }
    }
}
