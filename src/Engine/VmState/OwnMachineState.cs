using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>A guest of ours: QEMU's machine none, with vCPUs and devices that only a receiver of ours knows.</summary>
sealed class OwnMachineState(MemoryGuest guest) : IMachineState
{
    readonly VmDescription _description = new();
    readonly List<string> _leftOut = [];
    CpuState[] _cpus = [];
    IDeviceState[] _sent = [];
    uint _sections = 1;
    bool _isPrepared;
    ulong _describedSubsections;
    byte[] _encoded = [];
    GuestAnnouncement? _announcement;

    /// <summary>For a QEMU: RAM and globalstate only, which says paused, since machine none has nothing to run.</summary>
    public bool IsForQemu { get; set; }

    /// <summary>Whether it is to run at the other end.</summary>
    public bool IsToRun { get; set; }

    /// <summary>Whether CONFIGURATION names the capability mapped-ram.</summary>
    public bool IsMapped { get; init; }

    public uint RamSection => 1;

    public bool HasFooters => true;

    public string[] LeftOut => [.. _leftOut];

    public void WriteHeader(WireWriter writer) => StreamHeader.Write(writer, new ConfigurationRecord(StreamConstants.MachineNone, []).ForStream(IsMapped));

    /// <summary>Who comes; before RAM. Channels only to one that understands it.</summary>
    public void WriteAnnouncement(WireWriter writer, Guid migration, bool verify, int channels = 0)
    {
        var announcement = _announcement = new GuestAnnouncement(guest.Name, guest.Uuid, migration, guest.MemorySize, guest.ProcessorCount, verify, (byte)channels);
        var section = new SectionHeader(++_sections, GuestAnnouncement.Section, 0, GuestAnnouncement.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        var start = writer.Position;
        announcement.Write(writer);
        _description.Add(GuestAnnouncement.Section, 0, writer.Position - start);
        section.WriteFooter(writer);
    }

    public void Prepare()
    {
        _isPrepared = true;
        _cpus = [.. guest.Cpus.Select(cpu => new CpuState((uint)cpu.Index, guest.Memory.Ram.Pages))];
        IDeviceState[] devices = [.. _cpus, guest.Timer, guest.Counter];
        if (IsForQemu)
        {
            _leftOut.Add(GuestAnnouncement.Section);
            _leftOut.AddRange(devices.Select(device => $"{device.Description.Name}/{device.Instance}"));
        }
        else
        {
            _sent = devices;
        }
        foreach (var device in _sent) _description.Add(device.Instance, device.Description);
        _description.Add(GlobalState.Section, 0, GlobalState.BodySize);
        Describe();
    }

    public void TakeCpus()
    {
        if (!_isPrepared) Prepare();
        for (var i = 0; i < _cpus.Length; i++) _cpus[i].Take(guest.Cpus[i]);
    }

    public void WriteSections(WireWriter writer)
    {
        foreach (var device in _sent) WriteDevice(writer, device);
        var section = new SectionHeader(++_sections, GlobalState.Section, 0, GlobalState.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        GlobalState.Write(writer, IsToRun && !IsForQemu);
        section.WriteFooter(writer);
    }

    /// <summary>Of what was announced and what <see cref="WriteSections"/> has written.</summary>
    public byte[] Digest() => StateDigest.Compute(_announcement!, _sent, IsToRun);

    public void WriteEnd(WireWriter writer)
    {
        writer.Byte((byte)RecordType.Eof);
        // A user may have suspended and started the guest meanwhile, which is counted in a subsection.
        if (NeededSubsections() != _describedSubsections) Describe();
        writer.Bytes(_encoded);
    }

    void Describe()
    {
        _describedSubsections = NeededSubsections();
        _encoded = _description.Encode();
    }

    /// <summary>One bit for each subsection: whether it is sent.</summary>
    ulong NeededSubsections()
    {
        ulong needed = 0;
        foreach (var device in _sent) needed = DeviceSection.NeededSubsections(device.Description, needed);
        return needed;
    }

    void WriteDevice(WireWriter writer, IDeviceState device)
    {
        var description = device.Description;
        var section = new SectionHeader(++_sections, description.Name, device.Instance, description.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        DeviceSection.WriteBody(writer, description);
        section.WriteFooter(writer);
    }
}
