using System.Collections.Frozen;

namespace PsMigrate.Engine.Model;

/// <summary>The phases of the sending thread, numbered as in docs/phases.md.</summary>
public enum MigrationPhase
{
    /// <summary>Before phase 1: looking at the guest, connecting.</summary>
    Connect,

    /// <summary>1: magic, version, configuration.</summary>
    Header,

    /// <summary>2: return path, ping, what the peer is.</summary>
    Ping,

    /// <summary>3: dirty logging on, block list.</summary>
    Setup,

    /// <summary>4: Setup → Active.</summary>
    SetState,

    /// <summary>5: one round of the loop.</summary>
    Iteration,

    /// <summary>5.1: how much is left.</summary>
    Pending,

    /// <summary>5.2: send dirty pages within this window.</summary>
    Iterate,

    /// <summary>5.3: switch over.</summary>
    Completion,

    /// <summary>5.3.1: the guest stops.</summary>
    StopGuest,

    /// <summary>5.3.2: everything that is left.</summary>
    CompletePrecopy,

    /// <summary>5.3.2.1: the state of each vCPU.</summary>
    SyncCpus,

    /// <summary>5.3.2.2: the last dirty pages.</summary>
    CompleteRam,

    /// <summary>5.3.2.3: vCPUs and devices, then the description.</summary>
    SaveDevices,

    /// <summary>6: the first error wins.</summary>
    DetectError,

    /// <summary>7: bandwidth, dirty rate, expected downtime, rate window.</summary>
    UpdateCounters,

    /// <summary>8: who owns the guest now.</summary>
    Finish,
}

/// <summary>Number and QEMU function of each <see cref="MigrationPhase"/>.</summary>
public static class MigrationPhases
{
    static readonly FrozenDictionary<MigrationPhase, (string Number, string Function)> Table =
        new Dictionary<MigrationPhase, (string, string)>
        {
            [MigrationPhase.Connect] = ("0", "migrate_fd_connect"),
            [MigrationPhase.Header] = ("1", "qemu_savevm_state_header"),
            [MigrationPhase.Ping] = ("2", "qemu_savevm_send_ping"),
            [MigrationPhase.Setup] = ("3", "qemu_savevm_state_setup"),
            [MigrationPhase.SetState] = ("4", "migrate_set_state"),
            [MigrationPhase.Iteration] = ("5", "migration_iteration_run"),
            [MigrationPhase.Pending] = ("5.1", "qemu_savevm_state_pending"),
            [MigrationPhase.Iterate] = ("5.2", "qemu_savevm_state_iterate"),
            [MigrationPhase.Completion] = ("5.3", "migration_completion"),
            [MigrationPhase.StopGuest] = ("5.3.1", "vm_stop_force_state"),
            [MigrationPhase.CompletePrecopy] = ("5.3.2", "qemu_savevm_state_complete_precopy"),
            [MigrationPhase.SyncCpus] = ("5.3.2.1", "cpu_synchronize_all_states"),
            [MigrationPhase.CompleteRam] = ("5.3.2.2", "save_live_complete_precopy"),
            [MigrationPhase.SaveDevices] = ("5.3.2.3", "vmstate_save"),
            [MigrationPhase.DetectError] = ("6", "migration_detect_error"),
            [MigrationPhase.UpdateCounters] = ("7", "migration_update_counters"),
            [MigrationPhase.Finish] = ("8", "migration_iteration_finish"),
        }.ToFrozenDictionary();

    /// <summary>The number in the diagram, for example <c>5.3.2.1</c>.</summary>
    public static string Number(MigrationPhase phase) => Table[phase].Number;

    /// <summary>The function of QEMU's source that does the same.</summary>
    public static string QemuFunction(MigrationPhase phase) => Table[phase].Function;
}

/// <summary>How often and how long a migration was in one phase. Phases of the loop are entered many times.</summary>
/// <param name="Phase">The phase.</param>
/// <param name="Start">When it was first entered, counted from the start of the migration.</param>
/// <param name="Duration">The sum of all its visits, inner phases included.</param>
/// <param name="Count">How often it was entered.</param>
/// <param name="IsOpen">Whether the migration is in it now.</param>
public sealed record PhaseRecord(MigrationPhase Phase, TimeSpan Start, TimeSpan Duration, int Count, bool IsOpen)
{
    /// <summary>The number in the diagram.</summary>
    public string Number => MigrationPhases.Number(Phase);

    /// <summary>The name of the phase.</summary>
    public string Name => Phase.ToString();

    /// <summary>The function of QEMU's source that does the same.</summary>
    public string QemuFunction => MigrationPhases.QemuFunction(Phase);
}
