using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>What sort of guest it is.</summary>
public enum GuestKind
{
    /// <summary>Its RAM and its vCPUs are in this process.</summary>
    InMemory,

    /// <summary>A virtual machine of a QEMU, driven over QMP.</summary>
    Qemu,

    /// <summary>The RAM and the machine state that a QEMU sent; it can be kept, looked at and handed on, and does not run here.</summary>
    Captured,
}

/// <summary>What a guest does; names follow QEMU's RunState.</summary>
public enum GuestState
{
    /// <summary>Its vCPUs run.</summary>
    Running,

    /// <summary>Stopped by the user, or arrived so.</summary>
    Suspended,

    /// <summary>Stopped by a migration that is switching over.</summary>
    FinishMigrate,

    /// <summary>Migrated away; what is here is a suspended copy.</summary>
    PostMigrate,

    /// <summary>Suspended; it may run at the destination of a migration whose link was lost.</summary>
    InDoubt,

    /// <summary>Given up; its memory is gone.</summary>
    Removed,

    /// <summary>
    /// Suspended by a postcopy that can't be ended: pages were only at the other end, which is gone. At the source it is what it was when
    /// it stopped there; at the destination pages are missing.
    /// </summary>
    Lost,

    /// <summary>A QEMU that waits for a migration to come in, or takes one in.</summary>
    InMigrate,

    /// <summary>A QEMU in another state that does not run the guest, such as shutdown or internal-error.</summary>
    Stopped,

    /// <summary>A QEMU that can't be asked: its QMP connection is lost, or it has ended.</summary>
    Unreachable,
}

/// <summary>A guest, wherever it lives. All members may be called from any thread.</summary>
public abstract partial class Guest
{
    private protected Guest(Guid uuid, string name, string host)
    {
        Uuid = uuid;
        Name = name;
        Host = host;
    }

    /// <summary>The same through all migrations.</summary>
    public Guid Uuid { get; }

    /// <summary>Unique on its host.</summary>
    public string Name { get; }

    /// <summary>The host it lives on.</summary>
    public string Host { get; }

    /// <summary>What sort of guest it is.</summary>
    public abstract GuestKind Kind { get; }

    /// <summary>QEMU's machine type, such as pc-i440fx-7.2.</summary>
    public abstract string MachineType { get; }

    /// <summary>Bytes of RAM.</summary>
    public abstract long MemorySize { get; }

    /// <summary>How many vCPUs it has.</summary>
    public abstract int ProcessorCount { get; }

    /// <summary>What it does now.</summary>
    public abstract GuestState State { get; }

    /// <summary>Where it went, or may have gone; null while it is here.</summary>
    public abstract string? MovedTo { get; }

    /// <summary>
    /// Whether it runs, or may run, at <see cref="MovedTo"/>: what is resumed here by force would then run twice. True of one that is in doubt, of a
    /// copy that a migration left behind, and of one that was lost in postcopy while its destination could not be asked.
    /// </summary>
    public virtual bool MayRunElsewhere => State is GuestState.InDoubt or GuestState.PostMigrate;

    /// <summary>Whether a migration or another long operation has it.</summary>
    public abstract bool IsBusy { get; }

    /// <summary>Bytes of pages that it wrote per second lately; 0 where that is not known.</summary>
    public virtual double MeasuredDirtyRate => 0;

    /// <summary>Stops the vCPUs. Throws GuestBusy while a migration switches over.</summary>
    public abstract void Suspend();

    /// <summary>
    /// Starts the vCPUs; a copy that was left behind by a migration, or may have been, only with <paramref name="force"/>. Throws
    /// GuestBusy, GuestInDoubt, GuestRunsElsewhere, GuestLost, UnsupportedByGuest.
    /// </summary>
    public abstract void Resume(bool force = false);

    /// <summary>Gives up what is held for it. Throws GuestBusy.</summary>
    internal abstract void Remove();

    /// <summary>Whether a guest that arrives with this migration is the one that leaves here, so that it may take its name.</summary>
    internal virtual bool MakesWayFor(Guid migration, bool isCommitted) => false;
}
