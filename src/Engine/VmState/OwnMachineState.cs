using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>A guest of ours: QEMU's machine none, with vCPUs and devices that only a receiver of ours knows.</summary>
sealed class OwnMachineState(MemoryGuest guest) : IMachineState
{
    readonly VmDescription _description = new();
    readonly List<string> _leftOut = [];
    CpuState[] _cpus = [];
    uint _sections = 1;

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
        var announcement = new GuestAnnouncement(guest.Name, guest.Uuid, migration, guest.MemorySize, guest.ProcessorCount, verify, (byte)channels);
        var section = new SectionHeader(++_sections, GuestAnnouncement.Section, 0, GuestAnnouncement.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        var start = writer.Position;
        announcement.Write(writer);
        _description.Add(GuestAnnouncement.Section, 0, writer.Position - start);
        section.WriteFooter(writer);
    }

    public void TakeCpus() => _cpus = [.. guest.Cpus.Select(cpu => CpuState.Take(cpu, guest.Memory.Ram.Pages))];

    public void WriteSections(WireWriter writer)
    {
        IDeviceState[] devices = [.. _cpus, guest.Timer, guest.Counter];
        if (IsForQemu)
        {
            _leftOut.Add(GuestAnnouncement.Section);
            _leftOut.AddRange(devices.Select(device => $"{device.Description.Name}/{device.Instance}"));
        }
        else
        {
            foreach (var device in devices) WriteDevice(writer, device);
        }
        var section = new SectionHeader(++_sections, GlobalState.Section, 0, GlobalState.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        GlobalState.Write(writer, IsToRun && !IsForQemu);
        section.WriteFooter(writer);
        _description.Add(GlobalState.Section, 0, GlobalState.BodySize);
    }

    public void WriteEnd(WireWriter writer)
    {
        writer.Byte((byte)RecordType.Eof);
        _description.Write(writer);
    }

    void WriteDevice(WireWriter writer, IDeviceState device)
    {
        var description = device.Description;
        var section = new SectionHeader(++_sections, description.Name, device.Instance, description.Version);
        section.WriteNamed(writer, RecordType.SectionFull);
        DeviceSection.WriteBody(writer, description);
        section.WriteFooter(writer);
        _description.Add(device.Instance, description);
    }
}
