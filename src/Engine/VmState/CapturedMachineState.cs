using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>The machine of a guest that was captured from a QEMU: every section goes as it came, and so does the description.</summary>
/// <param name="machine">The machine.</param>
/// <param name="isMapped">Whether CONFIGURATION names the capability mapped-ram.</param>
/// <param name="sendsPaused">
/// Whether a guest that ran is sent as paused, so that a QEMU which is driven over QMP lets it run only when it is told to.
/// </param>
sealed class CapturedMachineState(CapturedMachine machine, bool isMapped = false, bool sendsPaused = false) : IMachineState
{
    public uint RamSection { get; } = FreeSection(machine, 1);

    public bool HasFooters => machine.HasFooters;

    public string[] LeftOut => [];

    public void WriteHeader(WireWriter writer)
    {
        var subsections = machine.Configuration.Select(one => new ConfigurationSubsection(one.Name, one.Version, one.Body));
        StreamHeader.Write(writer, new ConfigurationRecord(machine.Name, [.. subsections]).ForStream(isMapped));
    }

    public void Prepare()
    {
        // It stands anyway.
    }

    public void TakeCpus()
    {
        // They are sections like any other.
    }

    public void WriteSections(WireWriter writer)
    {
        var isTold = !sendsPaused;
        foreach (var section in machine.Sections)
        {
            var isRunState = sendsPaused && section is { Name: GlobalState.Section, Instance: 0 };
            isTold |= isRunState;
            Write(writer, new SectionHeader(section.Id, section.Name, section.Instance, section.Version), isRunState ? null : section.Body);
        }
        // A stream that says nothing is one that runs (global_state_get_runstate).
        if (!isTold) Write(writer, new SectionHeader(FreeSection(machine, RamSection + 1), GlobalState.Section, 0, GlobalState.Version), null);
    }

    public void WriteEnd(WireWriter writer)
    {
        writer.Byte((byte)RecordType.Eof);
        if (machine.Description is not { } description) return;
        writer.Byte((byte)RecordType.VmDescription);
        writer.UInt32((uint)description.Length);
        writer.Bytes(description);
    }

    // Without a body it is the run state, paused.
    void Write(WireWriter writer, SectionHeader section, byte[]? body)
    {
        section.WriteNamed(writer, RecordType.SectionFull);
        if (body is null) GlobalState.Write(writer, isRunning: false);
        else writer.Bytes(body);
        if (HasFooters) section.WriteFooter(writer);
    }

    static uint FreeSection(CapturedMachine machine, uint from)
    {
        var taken = machine.Sections.Select(section => section.Id).ToHashSet();
        while (taken.Contains(from)) from++;
        return from;
    }
}
