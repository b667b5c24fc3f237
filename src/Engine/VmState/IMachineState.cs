using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// What a stream holds of a machine beside its RAM, to be written in this order: the header, RAM by somebody else, the sections,
/// the end. Used by one thread.
/// </summary>
interface IMachineState
{
    /// <summary>A section number for RAM that no section of the machine has.</summary>
    uint RamSection { get; }

    /// <summary>Whether sections end with a footer; those of machines up to 2.3 do not.</summary>
    bool HasFooters { get; }

    /// <summary>What is not sent, since the other end would refuse it.</summary>
    string[] LeftOut { get; }

    /// <summary>Magic, version and CONFIGURATION (qemu_savevm_state_header).</summary>
    void WriteHeader(WireWriter writer);

    /// <summary>
    /// Makes ready what does not depend on the guest standing, so that what follows is only written; behind whatever comes before RAM.
    /// </summary>
    void Prepare();

    /// <summary>Takes the state of each vCPU; the guest stands (cpu_synchronize_all_states).</summary>
    void TakeCpus();

    /// <summary>Every FULL section that comes behind RAM.</summary>
    void WriteSections(WireWriter writer);

    /// <summary>EOF and the description.</summary>
    void WriteEnd(WireWriter writer);
}
