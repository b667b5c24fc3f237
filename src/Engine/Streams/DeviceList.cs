using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Streams;

/// <summary>The FULL sections of a stream: before RAM, behind it, or in a package.</summary>
sealed class DeviceList(StreamFile file, SectionList sections)
{
    // A section before RAM is small: what is announced, or the layout of virtio-mem.
    const int MaxEarly = 1 << 20;
    const int LongestHeader = 1 + 4 + 1 + 255 + 4 + 4;
    const int Piece = 64 << 10;

    readonly List<(DeviceRecord Record, long Base, bool InPackage)> _records = [];
    DescribedMachine? _machine;

    /// <summary>The JSON that describes them; null without one.</summary>
    public string? Description { get; private set; }

    /// <summary>FULL before the end of RAM, after its type byte: found by its footer.</summary>
    public void ReadEarly()
    {
        var start = file.Position - 1;
        file.Where = "a section before RAM";
        file.Seek(start);
        file.Skip(Cut(file.PeekUpTo(MaxEarly), start, inPackage: false));
    }

    /// <summary>
    /// FULL behind RAM, after its type byte, and all that follows up to the description. Gives whether EOF came; without a
    /// description it is yet to be read.
    /// </summary>
    public bool ReadTail()
    {
        var start = file.Position - 1;
        file.Where = "the devices";
        file.Seek(start);
        var tail = new DeviceTail(sections.HasFooters);
        while (!tail.IsComplete && !file.IsAtEnd) file.Skip(tail.Append(file.PeekUpTo(Piece)));
        if (!tail.IsComplete)
        {
            // What can be cut is given; EOF or the damage comes next.
            file.Seek(start);
            file.Seek(start + Cut(file.Bytes(tail.Length), start, inPackage: false));
            return false;
        }
        (_machine, Description) = (tail.Machine!, Encoding.UTF8.GetString(tail.Description));
        var records = new List<DeviceRecord>();
        try
        {
            SectionCutter.ByDescription(tail.Sections, _machine, records, sections.HasFooters, CountEarly(), MigrationSide.Source);
        }
        catch (MigrationException e)
        {
            throw file.ErrorAt(start + (e.StreamOffset ?? 0), e.Id, e.Message);
        }
        finally
        {
            Keep(records, start, inPackage: false);
        }
        return true;
    }

    /// <summary>VMDESCRIPTION if it comes next, where it was not read with the devices.</summary>
    public void ReadDescription()
    {
        if (_machine is not null || file.PeekUpTo(1) is not [(byte)RecordType.VmDescription]) return;
        file.Where = "the description";
        file.Skip(1);
        var length = file.UInt32();
        if (length > DescriptionParser.MaxLength)
            throw file.Error(MigrationErrorId.InvalidLength, $"A description of {length} bytes can't be.");
        var json = file.Bytes((int)length);
        _machine = DescribedMachine.Parse(json);
        Description = Encoding.UTF8.GetString(json);
    }

    /// <summary>A postcopy package: FULL sections and commands, in a length of its own.</summary>
    public void ReadPackage(uint length, Action<StreamCommand> keep)
    {
        var start = file.Position;
        if (length > DeviceTail.DefaultLimit) throw file.Error(MigrationErrorId.InvalidLength, $"A package of {length} bytes can't be.");
        var there = (int)Math.Min(length, file.Length - start);
        var bytes = file.Bytes(there);
        for (var at = 0; at < there;)
        {
            file.Seek(start + at);
            file.Where = "the package";
            var type = (RecordType)file.Byte();
            if (type == RecordType.SectionFull)
            {
                at += Cut(bytes.AsSpan(at), start + at, inPackage: true);
                continue;
            }
            var (command, seen) = type == RecordType.Command ? CommandReader.Read(file, inPackage: true) : default;
            at = (int)(file.Position - start);
            if (type != RecordType.Command || command == CommandType.Packaged || at > there)
                throw file.ErrorAt(file.Position - 1, MigrationErrorId.UnknownRecord,
                    $"Record type 0x{(byte)type:x2} can't be in a package.");
            keep(seen);
        }
        if (there < length)
            throw file.Error(MigrationErrorId.UnexpectedEnd, $"The package has {length} bytes, and the file ends after {there}.");
        file.Seek(start + length);
    }

    /// <summary>All devices, with values where they are described. The first that can't be is the error, if there is none.</summary>
    public StreamDevice[] Decode(ref MigrationException? error)
    {
        var devices = new List<StreamDevice>();
        foreach (var (record, at, inPackage) in _records)
        {
            DecodedState? state = null;
            try
            {
                if (_machine?.Find(record.Name, record.Instance) is { } described)
                    state = FieldDecoder.Decode(record, described, at + record.BodyOffset);
            }
            catch (MigrationException e)
            {
                error ??= e;
            }
            devices.Add(new StreamDevice(record.Name, record.Instance, record.Version, record.Id, at + record.Offset,
                record.Body, state, inPackage));
        }
        return [.. devices];
    }

    /// <summary>Cuts sections by their footers, keeps them, and gives the bytes that they take.</summary>
    int Cut(ReadOnlySpan<byte> bytes, long start, bool inPackage)
    {
        var records = new List<DeviceRecord>();
        try
        {
            SectionCutter.ByFooters(bytes, records, out var length, MigrationSide.Source);
            if (length > 0) return length;
        }
        catch (MigrationException e)
        {
            // No footer up to the end of the file: it ends in this section.
            var isCutOff = e.Id == MigrationErrorId.WrongFooter && start + bytes.Length == file.Length;
            throw file.ErrorAt(start + (e.StreamOffset ?? 0), isCutOff ? MigrationErrorId.UnexpectedEnd : e.Id, e.Message);
        }
        finally
        {
            Keep(records, start, inPackage);
        }
        throw bytes.Length < LongestHeader
            ? file.ErrorAt(start, MigrationErrorId.UnexpectedEnd, "The file ends in the header of a section.")
            : file.ErrorAt(start, MigrationErrorId.InvalidValue, "What begins like a section has no header of one.");
    }

    void Keep(List<DeviceRecord> records, long start, bool inPackage)
    {
        foreach (var record in records)
        {
            _records.Add((record, start, inPackage));
            sections.Add(new StreamSection(StreamSectionType.Full, record.Id, record.Name, record.Instance, record.Version,
                start + record.Offset, record.Length, 0, inPackage));
        }
    }

    /// <summary>How many of the described sections came before RAM.</summary>
    int CountEarly() => _machine!.Devices.Zip(_records)
        .TakeWhile(pair => pair.First.Name == pair.Second.Record.Name && pair.First.Instance == pair.Second.Record.Instance).Count();
}
