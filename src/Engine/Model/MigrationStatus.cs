namespace PsMigrate.Engine.Model;

/// <summary>The states of a migration: QEMU's <c>MigrationStatus</c> (qapi/migration.json, 11.1) in PascalCase.</summary>
public enum MigrationStatus
{
    /// <summary>Nothing has been started.</summary>
    None,

    /// <summary>Connecting, header, ping, block list.</summary>
    Setup,

    /// <summary>A cancel was accepted and is being carried out.</summary>
    Cancelling,

    /// <summary>Cancelled; the guest stayed at the source.</summary>
    Cancelled,

    /// <summary>Memory is being sent while the guest runs.</summary>
    Active,

    /// <summary>Postcopy: the device package is on its way.</summary>
    PostcopyDevice,

    /// <summary>Postcopy: the guest runs at the destination, memory follows.</summary>
    PostcopyActive,

    /// <summary>Postcopy: the link broke; both ends wait for recovery.</summary>
    PostcopyPaused,

    /// <summary>Postcopy: the recovery connection is being set up.</summary>
    PostcopyRecoverSetup,

    /// <summary>Postcopy: the ends are agreeing on what is missing.</summary>
    PostcopyRecover,

    /// <summary>The destination has the guest.</summary>
    Completed,

    /// <summary>An error happened and is being cleaned up.</summary>
    Failing,

    /// <summary>Ended with an error.</summary>
    Failed,

    /// <summary>Continuous replication; known, not produced here.</summary>
    Colo,

    /// <summary>The guest is stopped and waits for leave to switch over.</summary>
    PreSwitchover,

    /// <summary>Switching over: the guest is stopped, last pages and devices are sent.</summary>
    Device,

    /// <summary>Waits for a device to be unplugged; known, not produced here.</summary>
    WaitUnplug,
}

/// <summary>The legal transitions of <see cref="MigrationStatus"/> (QEMU's <c>migrate_set_state</c> callers, 7.2 to 11.1).</summary>
public static class MigrationTransitions
{
    static readonly Dictionary<MigrationStatus, MigrationStatus[]> Table = new()
    {
        [MigrationStatus.None] = [MigrationStatus.Setup],
        [MigrationStatus.Setup] =
            [MigrationStatus.Active, MigrationStatus.WaitUnplug, MigrationStatus.Cancelling, MigrationStatus.Failing],
        [MigrationStatus.WaitUnplug] = [MigrationStatus.Active, MigrationStatus.Cancelling, MigrationStatus.Failing],
        [MigrationStatus.Active] =
            [MigrationStatus.PreSwitchover, MigrationStatus.Device, MigrationStatus.Cancelling, MigrationStatus.Failing],
        [MigrationStatus.PreSwitchover] = [MigrationStatus.Device, MigrationStatus.Cancelling, MigrationStatus.Failing],
        [MigrationStatus.Device] =
        [
            MigrationStatus.Completed, MigrationStatus.PostcopyDevice, MigrationStatus.PostcopyActive, MigrationStatus.Colo,
            MigrationStatus.Cancelling, MigrationStatus.Failing,
        ],
        [MigrationStatus.Colo] = [MigrationStatus.Completed, MigrationStatus.Cancelling, MigrationStatus.Failing],
        [MigrationStatus.PostcopyDevice] = [MigrationStatus.PostcopyActive, MigrationStatus.Failing],
        [MigrationStatus.PostcopyActive] = [MigrationStatus.Completed, MigrationStatus.PostcopyPaused, MigrationStatus.Failing],
        [MigrationStatus.PostcopyPaused] = [MigrationStatus.PostcopyRecoverSetup, MigrationStatus.Failing],
        [MigrationStatus.PostcopyRecoverSetup] = [MigrationStatus.PostcopyRecover, MigrationStatus.PostcopyPaused],
        [MigrationStatus.PostcopyRecover] = [MigrationStatus.PostcopyActive, MigrationStatus.PostcopyPaused],
        [MigrationStatus.Cancelling] = [MigrationStatus.Cancelled],
        [MigrationStatus.Failing] = [MigrationStatus.Failed],
        [MigrationStatus.Completed] = [],
        [MigrationStatus.Cancelled] = [],
        [MigrationStatus.Failed] = [],
    };

    /// <summary>Whether QEMU's state machine has the step from one state to the other.</summary>
    public static bool IsLegal(MigrationStatus from, MigrationStatus to) => Array.IndexOf(Table[from], to) >= 0;

    /// <summary>Whether the migration is over: completed, failed or cancelled.</summary>
    public static bool IsEnded(MigrationStatus status) => status != MigrationStatus.None && Table[status].Length == 0;

    /// <summary>Whether the guest is at the destination before its memory, or about to be, and can't come back.</summary>
    public static bool IsPostcopy(MigrationStatus status) => status is MigrationStatus.PostcopyDevice or MigrationStatus.PostcopyActive
        or MigrationStatus.PostcopyPaused or MigrationStatus.PostcopyRecoverSetup or MigrationStatus.PostcopyRecover;

    /// <summary>Throws <see cref="MigrationErrorId.IllegalTransition"/> unless the step is legal.</summary>
    public static void Check(MigrationStatus from, MigrationStatus to)
    {
        if (!IsLegal(from, to))
            throw new MigrationException(MigrationErrorId.IllegalTransition, MigrationSide.Source,
                $"A migration can't go from {from} to {to}.");
    }
}
