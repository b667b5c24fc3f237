using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Destination;

/// <summary>The records of the main channel (qemu_loadvm_state_main), up to the description.</summary>
sealed partial class IncomingMigration
{
    readonly List<CpuState> _cpus = [];
    readonly TimerDevice _timer = new();
    readonly CounterDevice _counter = new();
    readonly HashSet<(string Name, uint Instance)> _loaded = [];
    SectionHeader? _ramSection;
    bool _isRamComplete;
    bool _isOurs;
    bool _wantsToRun;

    void ReadStream()
    {
        StreamHeader.ReadMagic(_reader);
        StreamHeader.ReadConfiguration(_reader, StreamConstants.MachineNone);
        while (ReadRecord())
        {
        }
    }

    /// <summary>False at the end of the stream.</summary>
    bool ReadRecord()
    {
        // A question has no EOF record: it ends when the source has its answer and closes, and nothing else may follow.
        if (IsQuestion)
            return _reader.IsAtEnd() ? false : throw _reader.Error(MigrationErrorId.OutOfOrder, "A question is followed by something else.");
        var type = (RecordType)_reader.Byte();
        switch (type)
        {
            case RecordType.Command:
                ReadCommand();
                return true;
            case RecordType.SectionStart or RecordType.SectionFull:
                ReadNamedSection(type, SectionHeader.Read(_reader));
                return true;
            case RecordType.SectionPart or RecordType.SectionEnd:
                ReadRamSection(type, _reader.UInt32());
                return true;
            case RecordType.Eof:
                CheckComplete();
                ReadDescription();
                return false;
            default:
                throw _reader.Error(MigrationErrorId.UnknownRecord, $"Record 0x{(byte)type:x2} is not known.");
        }
    }

    void ReadCommand()
    {
        var command = CommandRecord.Read(_reader);
        switch (command)
        {
            case CommandType.OpenReturnPath:
                _hasReturnPath = true;
                break;
            case CommandType.Ping:
                var value = _reader.UInt32();
                if (!_hasReturnPath) throw _reader.Error(MigrationErrorId.OutOfOrder, "A ping comes without a return path.");
                _isOurs |= Handshake.IsOurAnswer(Handshake.Answer(value));
                ReturnPathMessage.Pong(Handshake.Answer(value)).Send(_back);
                break;
            case CommandType.QueryOutcome when _hasReturnPath && _isOurs && _announcement is null && _memory is null:
                IsQuestion = true;
                var outcome = HandoverLedger.Ask(new Guid(_reader.Bytes(16)));
                ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)outcome).Send(_back);
                break;
            case CommandType.SwitchoverStart:
                break;
            default:
                throw _reader.Error(MigrationErrorId.OutOfOrder, $"Command {command} comes at the wrong place.");
        }
    }

    void ReadNamedSection(RecordType type, SectionHeader section)
    {
        if (!_loaded.Add((section.Name, section.Instance)))
            throw _reader.Error(MigrationErrorId.OutOfOrder, $"Section '{Printable.Text(section.Name)}' comes twice.");
        if (section is { Name: StreamConstants.RamSection, Instance: 0 } && type == RecordType.SectionStart)
        {
            CheckVersion(section, StreamConstants.RamVersion);
            _ramSection = section;
            _ram.ReadBody(_reader);
            if (_memory is null) throw _reader.Error(MigrationErrorId.OutOfOrder, "The first ram section lists no blocks.");
        }
        else if (type == RecordType.SectionFull) ReadFullSection(section);
        else throw Unknown(section);
        section.ReadFooter(_reader);
        if (section.Name == GuestAnnouncement.Section) Welcome();
    }

    void ReadFullSection(SectionHeader section)
    {
        switch (section.Name)
        {
            case GuestAnnouncement.Section when section.Instance == 0 && _isOurs && _memory is null:
                CheckVersion(section, GuestAnnouncement.Version);
                _announcement = GuestAnnouncement.Read(_reader);
                break;
            case "psmigrate/cpu" when _announcement is { } guest && section.Instance == _cpus.Count && section.Instance < guest.ProcessorCount:
                var cpu = new CpuState(section.Instance, guest.MemorySize / GuestMemory.PageSize);
                ReadDevice(section, cpu);
                _cpus.Add(cpu);
                break;
            case "psmigrate/timer" when _announcement is not null && section.Instance == 0:
                ReadDevice(section, _timer);
                break;
            case "psmigrate/counter" when _announcement is not null && section.Instance == 0:
                ReadDevice(section, _counter);
                break;
            case GlobalState.Section when section.Instance == 0:
                CheckVersion(section, GlobalState.Version);
                _wantsToRun = GlobalState.Read(_reader);
                break;
            case QemuTimer.Section when section.Instance == 0:
                CheckVersion(section, QemuTimer.Version);
                QemuTimer.Skip(_reader);
                break;
            default:
                throw Unknown(section);
        }
    }

    void ReadDevice(SectionHeader section, IDeviceState device)
    {
        CheckVersion(section, device.Description.Version);
        DeviceSection.ReadBody(_reader, device);
    }

    void ReadRamSection(RecordType type, uint id)
    {
        if (_ramSection is not { } ram || ram.Id != id)
            throw _reader.Error(MigrationErrorId.UnknownSection, $"Section {id} was never started.");
        if (_isRamComplete) throw _reader.Error(MigrationErrorId.OutOfOrder, "RAM goes on after its end.");
        _ram.ReadBody(_reader);
        ram.ReadFooter(_reader);
        _isRamComplete = type == RecordType.SectionEnd;
    }

    /// <summary>The guest is known and checked before any of its pages; the source waits for the answer.</summary>
    void Welcome()
    {
        _policy.Check(_announcement!);
        NewMemory(_announcement!.MemorySize);
        if (_announcement.Verify) RamDigest.WarmUp();
        ReturnPathMessage.Accepted.Send(_back);
    }

    void CheckComplete()
    {
        if (!_isRamComplete) throw _reader.Error(MigrationErrorId.OutOfOrder, "The stream ends without the end of RAM.");
        if (_announcement is not { } guest) return;
        if (_cpus.Count != guest.ProcessorCount || !_loaded.Contains(("psmigrate/timer", 0)) || !_loaded.Contains(("psmigrate/counter", 0)))
            throw _reader.Error(MigrationErrorId.OutOfOrder, $"The stream ends with the state of {_cpus.Count} of {guest.ProcessorCount} vCPUs and not all devices.");
    }

    /// <summary>Optional for a foreign source, which may close right after EOF.</summary>
    void ReadDescription()
    {
        if (_announcement is null && _reader.IsAtEnd()) return;
        var type = (RecordType)_reader.Byte();
        if (type != RecordType.VmDescription)
            throw _reader.Error(MigrationErrorId.UnknownRecord, $"A description was expected after the end, and there is 0x{(byte)type:x2}.");
        VmDescription.Skip(_reader);
    }

    void CheckVersion(SectionHeader section, uint version)
    {
        if (section.Version != version)
            throw _reader.Error(MigrationErrorId.UnsupportedSectionVersion, $"{section.Name} version {section.Version} is not supported, only {version}.");
    }

    MigrationException Unknown(SectionHeader section) =>
        _reader.Error(MigrationErrorId.UnknownSection, $"Section '{Printable.Text(section.Name)}' instance {section.Instance} is not known here.");
}
