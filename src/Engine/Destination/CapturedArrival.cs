using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// A machine of a QEMU: its RAM is loaded, its device sections are kept as they come. It becomes a guest of kind Captured, suspended,
/// under a name of ours, since a stream has none.
/// </summary>
sealed class CapturedArrival(IncomingLink link, IncomingPolicy policy, IncomingMemory memory, ConfigurationRecord configuration) : Arrival(link, policy)
{
    // QEMU has one kind of early section, a few devices of it.
    const int MaxEarly = 256;

    readonly List<CapturedSection> _early = [];
    readonly Guid _uuid = configuration.Uuid ?? Guid.NewGuid();
    string _name = "";
    List<CapturedSection> _sections = [];
    byte[]? _description;
    bool? _hasFooters;
    uint? _ramSection;
    bool _isPackaged;

    public override string Name => _name;

    /// <summary>Only here it is known how much there is.</summary>
    public override GuestMemory Prepare((string Name, long Length)[] blocks)
    {
        if (blocks.Length == 0) throw Reader.Error(MigrationErrorId.InvalidLength, "A machine without RAM can't be.");
        _name = Policy.NameForUnnamed();
        return Admit(memory, Request(blocks), blocks);
    }

    ArrivalRequest Request((string Name, long Length)[] blocks) => new()
    {
        Name = _name,
        Uuid = configuration.Uuid,
        // Each length is positive and all together were checked to fit; a sum that overflows is refused like any that is too large.
        MemorySize = blocks.Sum(block => block.Length),
        MachineType = configuration.Machine,
        Peer = Link.Connection.Peer,
        TlsSubject = Link.Connection.PeerSubject,
    };

    public override void ReadFooter(SectionHeader section)
    {
        _ramSection = section.Id;
        // Machines up to 2.3 send none, and no record has the number of a footer.
        _hasFooters ??= (RecordType)Reader.Peek(1)[0] == RecordType.Footer;
        if (_hasFooters == true) section.ReadFooter(Reader);
    }

    public override void ReadSection(SectionHeader section)
    {
        CheckForeign(section.Name, section.Instance);
        if (_hasFooters == false || _early.Count == MaxEarly)
            throw Reader.Error(MigrationErrorId.UnsupportedFeature, $"Section '{Printable.Text(section.Name)}' comes before the end of RAM, and nothing tells where it ends.");
        _early.Add(EarlySection.Read(Reader, section, _ramSection, memory));
    }

    /// <summary>FULL sections of a postcopy's package, which has no description; gives how many bytes they take.</summary>
    public int TakePackaged(ReadOnlySpan<byte> package)
    {
        if (_hasFooters == false)
            throw Reader.Error(MigrationErrorId.UnsupportedFeature, "Postcopy of a machine whose sections have no footers is not supported.");
        var sections = SectionCutter.ByFooters(package, out var length);
        if (length == 0) throw Reader.Error(MigrationErrorId.UnknownSection, "The package holds a section that can't be read.");
        foreach (var section in sections) CheckForeign(section.Name, section.Instance);
        if (!_isPackaged) _sections.AddRange(_early);
        _isPackaged = true;
        if (sections.Length > SectionCutter.MaxSections - _sections.Count)
            throw Reader.Error(MigrationErrorId.InvalidLength, $"More than {SectionCutter.MaxSections} sections can't be.");
        _sections.AddRange(sections);
        return length;
    }

    public override bool TryReadTail()
    {
        if (_isPackaged || (RecordType)Reader.Peek(1)[0] == RecordType.Command) return false;
        var start = Reader.Position;
        var tail = new DeviceTail(_hasFooters != false);
        try
        {
            new DeviceTailReader(Link, tail, memory).Read();
            _sections = [.. _early, .. Cut(tail)];
        }
        catch (MigrationException e) when (e.Side == MigrationSide.Source)
        {
            // Positions in the tail become positions in the stream.
            throw Reader.Error(e.Id, e.Message);
        }
        if (tail.IsComplete) _description = tail.Description.ToArray();
        foreach (var section in _sections) CheckForeign(section.Name, section.Instance);
        return true;
    }

    public override void ReadEnd()
    {
        if (!_isPackaged) throw Reader.Error(MigrationErrorId.OutOfOrder, "The stream ends without device sections.");
    }

    public override void TakeOver(ArrivingRam ram)
    {
        if (!_sections.Exists(LeavesPagesOut)) ram.CheckComplete(Reader);
        var machine = new CapturedMachine
        {
            Name = configuration.Machine,
            Configuration = [.. configuration.Subsections.Select(one => new CapturedConfiguration(one.Name, one.Version, one.Body))],
            Sections = [.. _sections],
            Description = _description,
            HasFooters = _hasFooters != false,
            RunState = RunState(),
        };
        while (!HasArrived)
        {
            _name = Policy.NameForUnnamed();
            Guest = new MemoryGuest(_uuid, _name, Policy.HostName, ram.Memory, machine);
            try
            {
                GuestRegistry.Arrive(Guest, Guid.Empty);
                HasArrived = true;
            }
            catch (MigrationException e) when (e.Id == MigrationErrorId.DuplicateGuestName)
            {
                // Another one took the name just now; there are more.
            }
        }
        Expect(null);
        if (Link.HasReturnPath) Link.TrySend(ReturnPathMessage.Shut(0));
    }

    CapturedSection[] Cut(DeviceTail tail)
    {
        if (tail.Machine is not { } described) return tail.Cut();
        if (described.Devices.Length < _early.Count)
            throw Reader.Error(MigrationErrorId.UnknownSection, "The description does not list the sections that came before RAM.");
        foreach (var (section, device) in _early.Zip(described.Devices))
            if (section.Name != device.Name || section.Instance != device.Instance || section.Body.Length != device.BodySize)
                throw Reader.Error(MigrationErrorId.WrongFooter,
                    $"Section '{Printable.Text(section.Name)}' was cut at {section.Body.Length} bytes, and the description has '{Printable.Text(device.Name)}' with {device.BodySize}.");
        return SectionCutter.ByDescription(tail.Sections, described, _hasFooters != false, _early.Count);
    }

    /// <summary>QEMU never sends what is not plugged into a virtio-mem, nor what a balloon knows to be free.</summary>
    static bool LeavesPagesOut(CapturedSection section) =>
        section.Name.Contains("virtio-mem", StringComparison.Ordinal) || section.Name.EndsWith("/virtio-balloon", StringComparison.Ordinal);

    string RunState()
    {
        if (_sections.Find(section => section.Name == GlobalState.Section) is not { } section) return "running";
        return GlobalState.Decode(section.Body) is { } state
            ? Printable.Text(state)
            : throw Reader.Error(MigrationErrorId.InvalidLength, "A run state of that length can't be.");
    }

    void CheckForeign(string name, uint instance)
    {
        if (name.StartsWith("psmigrate/", StringComparison.Ordinal)) throw Unknown(new SectionHeader(0, name, instance, 0));
    }
}
