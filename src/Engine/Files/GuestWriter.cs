using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Files;

/// <summary>
/// Writes a guest that stands to a file, as one stream without passes: the same guest gives the same bytes each time. Used by one
/// thread; the figures may be read by any.
/// </summary>
sealed class GuestWriter
{
    readonly MemoryGuest _guest;
    readonly IMachineState _machine;
    readonly OwnMachineState? _own;
    readonly RamSaver _ram;
    readonly MappedRamSaver? _mapped;
    readonly WireWriter _writer;

    /// <param name="guest">Captured guests are written as they came, whatever the format.</param>
    /// <param name="format">Of a guest of ours.</param>
    /// <param name="layout">Of its RAM.</param>
    /// <param name="file">Where it goes; completed by the caller.</param>
    public GuestWriter(MemoryGuest guest, GuestFileFormat format, GuestFileLayout layout, FileTarget file)
    {
        _guest = guest;
        _writer = new WireWriter(file.Output);
        var isMapped = layout == GuestFileLayout.MappedRam;
        if (guest.Machine is { } captured)
        {
            _machine = new CapturedMachineState(captured, isMapped);
        }
        else
        {
            _own = new OwnMachineState(guest) { IsMapped = isMapped, IsForQemu = format == GuestFileFormat.Qemu };
            _machine = _own;
        }
        _ram = new RamSaver(guest, _machine.RamSection);
        if (isMapped) _mapped = new MappedRamSaver(guest.Memory, file);
    }

    /// <summary>Pages written as they are.</summary>
    public long NormalPages => _mapped?.NormalPages ?? _ram.NormalPages;

    /// <summary>Pages that are zero.</summary>
    public long ZeroPages => _mapped?.ZeroPages ?? _ram.ZeroPages;

    /// <summary>What the format leaves out.</summary>
    public string[] LeftOut => _machine.LeftOut;

    /// <summary>Everything, flushed.</summary>
    /// <param name="isToRun">Whether a guest of ours is to run when it is restored.</param>
    public void Write(bool isToRun)
    {
        _machine.WriteHeader(_writer);
        if (_own is { IsForQemu: false }) _own.WriteAnnouncement(_writer, Guid.Empty, verify: false);
        try
        {
            WriteRam();
        }
        finally
        {
            _ram.Cleanup();
        }
        _machine.TakeCpus();
        if (_own is not null) _own.IsToRun = isToRun;
        _machine.WriteSections(_writer);
        _machine.WriteEnd(_writer);
        _writer.Flush();
    }

    void WriteRam()
    {
        _ram.Section.WriteNamed(_writer, RecordType.SectionStart);
        if (_mapped is not null) _mapped.SaveSetup(_writer);
        else _ram.SaveSetup(_writer);
        EndRam();
        _ram.Section.WriteBare(_writer, RecordType.SectionEnd);
        if (_mapped is not null) _writer.UInt64(RamFlags.Eos);
        else _ram.SaveComplete(_writer);
        EndRam();
    }

    void EndRam()
    {
        if (_machine.HasFooters) _ram.Section.WriteFooter(_writer);
    }
}
