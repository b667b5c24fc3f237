using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>What a state that QEMU reports says of the phase that its sending thread is in. Pure.</summary>
static class DrivenPhases
{
    /// <summary>The phase of docs/phases.md, as far as the state tells it.</summary>
    public static MigrationPhase Of(MigrationStatus status) => status switch
    {
        MigrationStatus.Setup or MigrationStatus.WaitUnplug => MigrationPhase.Setup,
        MigrationStatus.Active or MigrationStatus.PostcopyActive or MigrationStatus.Colo => MigrationPhase.Iterate,
        MigrationStatus.PreSwitchover => MigrationPhase.StopGuest,
        MigrationStatus.Device or MigrationStatus.PostcopyDevice => MigrationPhase.CompletePrecopy,
        MigrationStatus.PostcopyPaused or MigrationStatus.PostcopyRecoverSetup or MigrationStatus.PostcopyRecover
            or MigrationStatus.Cancelling or MigrationStatus.Failing => MigrationPhase.DetectError,
        MigrationStatus.None => MigrationPhase.Connect,
        _ => MigrationPhase.Finish,
    };

    /// <summary>Whether the guest is at the destination, or about to be, and can't come back.</summary>
    public static bool IsPostcopy(MigrationStatus status) => MigrationTransitions.IsPostcopy(status);

    /// <summary>Whether the guest still runs at the source, if it ran.</summary>
    public static bool IsBeforeSwitchover(MigrationStatus status) =>
        status is MigrationStatus.Setup or MigrationStatus.WaitUnplug or MigrationStatus.Active;
}
