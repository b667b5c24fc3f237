using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// A guest of ours, from a source of ours: announced, checked before any of its pages comes, loaded, and started on RUN
/// (<see cref="Handshake"/>).
/// </summary>
sealed partial class OurArrival : Arrival
{
    // A source may announce 65,535 vCPUs; threads for more than these are made when it has sent them.
    const int MostThreads = 64;

    readonly IncomingMemory _memory;
    readonly GuestAnnouncement _announced;
    readonly List<CpuState> _cpus = [];
    readonly TimerDevice _timer = new();
    readonly CounterDevice _counter = new();
    readonly HashSet<string> _devices = [];
    readonly List<CpuThread> _threads = [];
    bool _wantsToRun;

    /// <summary>Reads the announcement; the section's header has been read.</summary>
    public OurArrival(IncomingLink link, IncomingPolicy policy, IncomingMemory memory, SectionHeader section)
        : base(link, policy)
    {
        _memory = memory;
        CheckVersion(section, GuestAnnouncement.Version);
        _announced = GuestAnnouncement.Read(Reader);
        section.ReadFooter(Reader);
    }

    public override string Name => Policy.Name ?? _announced.Name;

    /// <summary>The guest's uuid, as its multifd channels have it too.</summary>
    public Guid Uuid => _announced.Uuid;

    /// <summary>How many channels come; 0 for none, or not told.</summary>
    public int Channels => _announced.Channels;

    /// <summary>The guest is known and checked before any of its pages; the source waits for the answer.</summary>
    /// <param name="machine">As CONFIGURATION has it; like in QEMU a prefix of our machine's name will do.</param>
    public void Welcome(string machine)
    {
        if (!StreamConstants.MachineNone.StartsWith(machine, StringComparison.Ordinal))
            throw Reader.Error(MigrationErrorId.WrongMachine, $"The guest is of a machine '{Printable.Text(machine)}', and ours are '{StreamConstants.MachineNone}'.");
        Policy.Check(_announced);
        Admit(_memory, Request(), (StreamConstants.RamSection, _announced.MemorySize));
        if (_announced.Verify) RamDigest.WarmUp();
        MakeThreads();
        Link.Send(ReturnPathMessage.Accepted);
    }

    ArrivalRequest Request() => new()
    {
        Name = Name,
        Uuid = _announced.Uuid,
        MemorySize = _announced.MemorySize,
        ProcessorCount = _announced.ProcessorCount,
        // A prefix of it may have come.
        MachineType = StreamConstants.MachineNone,
        Peer = Link.Connection.Peer,
        TlsSubject = Link.Connection.PeerSubject,
        // Before that version it is not told whether there are any.
        Channels = Link.Extension >= Handshake.AnnouncedChannelsVersion ? _announced.Channels : null,
    };

    // While the guest still runs at its source: to make one thread takes longer than all else that is done here before it runs.
    void MakeThreads()
    {
        if (Policy.StartSuspended) return;
        for (var i = 0; i < Math.Min(_announced.ProcessorCount, MostThreads); i++) _threads.Add(new CpuThread(Name, i));
    }

    public override GuestMemory Prepare((string Name, long Length)[] blocks)
    {
        foreach (var (name, _) in blocks)
            if (name != StreamConstants.RamSection)
                throw Reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known; machine none has 'ram' only.");
        if (blocks.Length != 1)
            throw Reader.Error(MigrationErrorId.UnknownBlock, $"Machine none has one RAM block, and the stream has {blocks.Length}.");
        if (blocks[0].Length != _announced.MemorySize)
            throw Reader.Error(MigrationErrorId.BlockSizeMismatch, $"RAM block 'ram' has {blocks[0].Length} bytes, and {_announced.MemorySize} were announced.");
        return _memory.Memory!;
    }

    public override void ReadSection(SectionHeader section)
    {
        switch (section.Name)
        {
            case "psmigrate/cpu" when section.Instance == _cpus.Count && section.Instance < _announced.ProcessorCount:
                var cpu = new CpuState(section.Instance, _announced.MemorySize / GuestMemory.PageSize);
                ReadDevice(section, cpu);
                _cpus.Add(cpu);
                break;
            case "psmigrate/timer" when section.Instance == 0:
                ReadDevice(section, _timer);
                break;
            case "psmigrate/counter" when section.Instance == 0:
                ReadDevice(section, _counter);
                break;
            case GlobalState.Section when section.Instance == 0:
                CheckVersion(section, GlobalState.Version);
                _wantsToRun = GlobalState.Read(Reader);
                break;
            default:
                throw Unknown(section);
        }
        section.ReadFooter(Reader);
    }

    public override void ReadEnd()
    {
        // A postcopy has no description, and its devices were in the package.
        if (HasGoneOver) return;
        CheckDevices();
        var type = (RecordType)Reader.Byte();
        if (type != RecordType.VmDescription)
            throw Reader.Error(MigrationErrorId.UnknownRecord, $"A description was expected after the end, and there is 0x{(byte)type:x2}.");
        VmDescription.Skip(Reader);
    }

    void CheckDevices()
    {
        if (_cpus.Count != _announced.ProcessorCount || !_devices.IsSupersetOf([_timer.Description.Name, _counter.Description.Name]))
            throw Reader.Error(MigrationErrorId.OutOfOrder, $"The stream ends with the state of {_cpus.Count} of {_announced.ProcessorCount} vCPUs and not all devices.");
    }

    public override void TakeOver(ArrivingRam ram)
    {
        if (HasGoneOver)
        {
            EndPostcopy(ram);
            return;
        }
        _requester?.End();
        ram.CheckComplete(Reader);
        // Before it counts this migration.
        var state = _announced.Verify && Link.Extension >= Handshake.StateDigestVersion
            ? StateDigest.Compute(_announced, [.. _cpus, _timer, _counter], _wantsToRun) : [];
        var guest = Guest = MakeGuest(ram.Memory);
        if (Link.IsOneWay)
        {
            Restore(guest);
            return;
        }
        // The source has nothing to say meanwhile.
        Expect(null);
        SayReady(_announced.Verify ? [.. Convert.FromHexString(RamDigest.Compute(ram.Memory)), .. state] : null);
        AwaitRun(() => Policy.Arrive(guest, Migration));
        Expect(null);
        Start(guest);
        ArrivedGuests.Add(Migration, guest, Policy.RequiresTls);
        Link.TrySend(ReturnPathMessage.Running(StartTime), ReturnPathMessage.Shut(0));
    }

    MemoryGuest MakeGuest(GuestMemory memory)
    {
        var guest = new MemoryGuest(_announced.Uuid, Name, Policy.HostName, memory, _cpus.Select(cpu => cpu.ToCpu(memory.Ram)), _timer, _counter);
        if (IsToStart) guest.PrepareStart(_threads);
        else DismissThreads();
        if (!Link.IsOneWay) _counter.Migrations++;
        return guest;
    }

    void SayReady(byte[]? digest)
    {
        HandoverLedger.Open(Migration);
        Expect(Policy.RunTimeout);
        EndLoad();
        Link.Send(ReturnPathMessage.Ready(HandoverLedger.Instance, digest));
    }

    /// <summary>Nobody waits for an answer, and a guest out of a file is the one that went into it: it was not migrated once more.</summary>
    void Restore(MemoryGuest guest)
    {
        Policy.Arrive(guest, Guid.Empty);
        HasArrived = true;
        Start(guest);
    }

    public override void GiveUp()
    {
        DismissThreads();
        _requester?.End();
        HandoverLedger.Discard(Migration);
    }

    void DismissThreads()
    {
        foreach (var thread in _threads) thread.Dismiss();
    }

    bool IsToStart => _wantsToRun && !Policy.StartSuspended;

    /// <summary>The guest may run here only once RUN is in the ledger; a source that asked before was told that it will not.</summary>
    void AwaitRun(Action arrive)
    {
        var type = (RecordType)Reader.Byte();
        if (type != RecordType.Command || CommandRecord.Read(Reader) != CommandType.Run)
            throw Reader.Error(MigrationErrorId.OutOfOrder, "RUN was expected.");
        // The name may have been taken while the guest was on its way; then the source still gets it back.
        if (!HandoverLedger.TryRun(Migration, arrive))
            throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The source gave the handover up before RUN arrived.");
        HasArrived = true;
    }

    void Start(MemoryGuest guest)
    {
        var start = Stopwatch.GetTimestamp();
        if (IsToStart) guest.StartArrived();
        StartTime = Stopwatch.GetElapsedTime(start);
    }

    void ReadDevice(SectionHeader section, IDeviceState device)
    {
        CheckVersion(section, device.Description.Version);
        DeviceSection.ReadBody(Reader, device);
        _devices.Add(device.Description.Name);
    }
}
