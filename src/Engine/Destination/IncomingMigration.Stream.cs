using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>The records of the main channel (qemu_loadvm_state_main).</summary>
sealed partial class IncomingMigration
{
    readonly HashSet<(string Name, uint Instance)> _loaded = [];
    ConfigurationRecord? _configuration;
    SectionHeader? _ramSection;
    bool _isRamComplete;

    void ReadStream()
    {
        StreamHeader.ReadMagic(_link.Reader);
        // Where each page has its place, the places must be reachable.
        var file = _link.Connection is FileOrigin { Handle: not null } origin ? origin : null;
        _configuration = file is null ? ConfigurationRecord.Read(_link.Reader) : ConfigurationRecord.Read(_link.Reader, ConfigurationRecord.MappedRam);
        if (_configuration.IsMapped) _ram.Mapped = new MappedRamLoader(file!);
        _channels?.Expect(_configuration.Uuid);
        ReadRecords();
    }

    /// <summary>False at the end of the stream.</summary>
    bool ReadRecord()
    {
        var reader = _link.Reader;
        // A question has no EOF record: it ends when the source has its answer and closes, and nothing else may follow.
        if (IsQuestion)
            return reader.IsAtEnd() ? false : throw reader.Error(MigrationErrorId.OutOfOrder, "A question is followed by something else.");
        if (_isRamComplete && _arrival!.TryReadTail()) return false;
        var type = (RecordType)reader.Byte();
        if (Status == MigrationStatus.PostcopyRecover && type != RecordType.Command)
            throw reader.Error(MigrationErrorId.OutOfOrder, "A recovery begins with something else than commands.");
        switch (type)
        {
            case RecordType.Command:
                ReadCommand(reader);
                return !_isThrough;
            case RecordType.SectionStart:
                ReadStart(ReadHeader(reader));
                return true;
            case RecordType.SectionFull:
                ReadFull(ReadHeader(reader));
                return true;
            case RecordType.SectionPart or RecordType.SectionEnd:
                ReadRam(type, reader.UInt32());
                return true;
            case RecordType.Eof:
                if (!_isRamComplete) throw reader.Error(MigrationErrorId.OutOfOrder, "The stream ends without the end of RAM.");
                _arrival!.ReadEnd();
                if (_postcopy == PostcopyStep.Running) AwaitPreempted();
                return false;
            default:
                throw reader.Error(MigrationErrorId.UnknownRecord, $"Record 0x{(byte)type:x2} is not known.");
        }
    }

    void ReadCommand(WireReader reader)
    {
        var command = CommandRecord.Read(reader, out var length);
        switch (command)
        {
            case CommandType.OpenReturnPath:
                OpenReturnPath();
                break;
            case CommandType.Ping:
                var value = reader.UInt32();
                if (!_link.HasReturnPath) throw reader.Error(MigrationErrorId.OutOfOrder, "A ping comes without a return path.");
                _link.IsOurs |= Handshake.IsOurAnswer(Handshake.Answer(value));
                _link.Extension = Math.Max(_link.Extension, Handshake.AgreedVersion(value));
                _link.Send(ReturnPathMessage.Pong(Handshake.Answer(value)));
                break;
            case CommandType.QueryOutcome when _link.IsOurs && _arrival is null:
                BecomeQuestion();
                var id = new Guid(reader.Bytes(16));
                var outcome = OutcomeOf(id, Postcopies.Find(id));
                _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)outcome));
                break;
            case CommandType.Join when _link is { IsOurs: true, Extension: >= Handshake.PostcopyVersion } && _arrival is null:
                ReadJoin(reader);
                break;
            case CommandType.SwitchoverStart:
                break;
            case >= CommandType.PostcopyAdvise and <= CommandType.ReceiveBitmap when !_link.IsOurs || _link.Extension >= Handshake.PostcopyVersion:
                ReadPostcopyCommand(reader, command, length);
                break;
            default:
                throw Misplaced(reader, command);
        }
    }

    static MigrationException Misplaced(WireReader reader, CommandType command) =>
        reader.Error(MigrationErrorId.OutOfOrder, $"Command {command} comes at the wrong place.");

    void OpenReturnPath()
    {
        if (_link.HasReturnPath) return;
        _link.HasReturnPath = true;
        if (_policy.SwitchoverAck && SwitchoverAck.IsExpectedBy(_configuration!.Machine)) _link.Send(ReturnPathMessage.SwitchoverAck);
    }

    SectionHeader ReadHeader(WireReader reader)
    {
        var section = SectionHeader.Read(reader);
        if (!_loaded.Add((section.Name, section.Instance)))
            throw reader.Error(MigrationErrorId.OutOfOrder, $"Section '{Printable.Text(section.Name)}' comes twice.");
        return section;
    }

    void ReadStart(SectionHeader section)
    {
        var reader = _link.Reader;
        if (section is not { Name: StreamConstants.RamSection, Instance: 0 }) throw LiveSections.Refuse(reader, section);
        if (section.Version != StreamConstants.RamVersion)
            throw reader.Error(MigrationErrorId.UnsupportedSectionVersion, $"ram version {section.Version} is not supported, only {StreamConstants.RamVersion}.");
        if (_arrival is null) Capture();
        _ramSection = section;
        _ram.ReadBody(reader);
        if (_ram.Ram is null) throw reader.Error(MigrationErrorId.OutOfOrder, "The first ram section lists no blocks.");
        TellPreempt();
        if (_postcopy == PostcopyStep.Advised && _arrival is OurArrival ours) ours.PrepareToGoOver(_ram.Ram);
        _arrival!.ReadFooter(section);
    }

    void ReadFull(SectionHeader section)
    {
        if (_arrival is null && (_link.IsOurs || _link.IsOneWay) && section is { Name: GuestAnnouncement.Section, Instance: 0 })
        {
            var ours = new OurArrival(_link, _policy, _memory, section);
            Begin(ours);
            _channels?.Expect(ours.Uuid, alwaysFlushes: true, ours.Channels, _link.Extension >= Handshake.ChannelIdVersion ? ours.Migration : null);
            _ram.AcceptsRuns = !_link.IsOneWay && _link.Extension >= Handshake.RunVersion;
            BeJoinable();
            ours.Welcome(_configuration!.Machine);
            return;
        }
        if (_arrival is null) Capture();
        _arrival!.ReadSection(section);
    }

    /// <summary>Nobody announced a guest: this is the machine of a QEMU.</summary>
    void Capture() => Begin(new CapturedArrival(_link, _policy, _memory, _configuration!));

    void ReadRam(RecordType type, uint id)
    {
        var reader = _link.Reader;
        if (_ramSection is not { } ram || ram.Id != id)
            throw reader.Error(MigrationErrorId.UnknownSection, $"Section {id} was never started.");
        if (_isRamComplete) throw reader.Error(MigrationErrorId.OutOfOrder, "RAM goes on after its end.");
        _ram.ReadBody(reader);
        _arrival!.ReadFooter(ram);
        _isRamComplete = type == RecordType.SectionEnd;
        if (!_isRamComplete)
        {
            TouchAhead(reader);
            return;
        }
        _channels?.Finish();
        _arrival.EndRam();
    }

    /// <summary>While nothing comes, and before a postcopy begins: what the system takes to give memory is not waited for when the guest stands.</summary>
    void TouchAhead(WireReader reader)
    {
        if (_postcopy is not (PostcopyStep.None or PostcopyStep.Advised)) return;
        while (reader.IsWaiting() && _ram.TouchAhead()) { }
    }
}
