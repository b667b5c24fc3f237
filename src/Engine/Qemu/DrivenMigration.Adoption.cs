using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>A migration that QEMU was at before this process came to look: it is followed from where it is.</summary>
sealed partial class DrivenMigration
{
    readonly bool _wasOver;

    DrivenMigration(int id, QemuGuest guest, MigrationParameters parameters, QemuMigrationInfo info)
        : this(id, guest, MigrationUri.Unknown, parameters)
    {
        (IsAdopted, _isLaunched, _hasSettings, _runsAtSource) = (true, true, true, true);
        _wasOver = info.Status is { } status && MigrationTransitions.IsEnded(status);
        _status = info.Status is { } running && !_wasOver ? running : MigrationStatus.Setup;
        _isPostcopyAsked = DrivenPhases.IsPostcopy(_status);
        Decide("Migration", "begun by somebody else", "followed", $"QEMU was '{info.StatusText}' when its guest was connected.");
    }

    /// <summary>What the outgoing migration of this guest's QEMU is at, or was; null when it has none. Throws what QMP throws.</summary>
    public static QemuMigrationInfo? FindOutgoing(QemuGuest guest)
    {
        var info = QemuMigrationInfo.Query(guest.Qmp);
        // What comes in is shown by the same command, without figures.
        var isOutgoing = info.Ram is not null || info.Status is MigrationStatus.Setup or MigrationStatus.Failed or MigrationStatus.Cancelling or MigrationStatus.Cancelled;
        return isOutgoing && guest.RunState != QemuRunState.InMigrate ? info : null;
    }

    /// <summary>A run that follows it. Throws what QMP throws.</summary>
    public static DrivenMigration Adopt(int id, QemuGuest guest, QemuMigrationInfo info)
    {
        var (known, capabilities) = (QemuParameters.Query(guest.Qmp), QemuCapabilities.Query(guest.Qmp));
        var parameters = new MigrationParameters
        {
            MaxDowntime = TimeSpan.FromMilliseconds(Math.Clamp(known.Number("downtime-limit") ?? 300, 1, LongestDowntime)),
            MaxBandwidth = Math.Max(0, known.Number("max-bandwidth") ?? 0),
            SwitchoverBandwidth = Math.Max(0, known.Number("avail-switchover-bandwidth") ?? 0),
            MaxPostcopyBandwidth = Math.Max(0, known.Number("max-postcopy-bandwidth") ?? 0),
            PauseBeforeSwitchover = capabilities.IsOn("pause-before-switchover"),
            Channels = capabilities.IsOn("multifd") ? (int)Math.Clamp(known.Number("multifd-channels") ?? 2, 1, 255) : 0,
            Xbzrle = capabilities.IsOn("xbzrle"),
            AutoConverge = capabilities.IsOn("auto-converge"),
            Postcopy = capabilities.IsOn("postcopy-ram"),
            PostcopyPreempt = capabilities.IsOn("postcopy-preempt"),
            ReturnPath = capabilities.IsOn("return-path"),
            ValidateUuid = capabilities.IsOn("validate-uuid"),
        };
        return new DrivenMigration(id, guest, parameters, info);
    }

    /// <summary>Nothing was on this side that has to be seen to, so that QEMU's word is the end of it.</summary>
    void ConcludeAdopted(QemuMigrationInfo end)
    {
        // One that was started again is here, whoever else has it.
        if (end.Status == MigrationStatus.Completed && RunState() != QemuRunState.Running) Commit();
        else if (end.Status == MigrationStatus.Failed) RecordFailure(DrivenErrors.Failed(end.ErrorDescription, null));
    }
}
