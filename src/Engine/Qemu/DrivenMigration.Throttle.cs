using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Auto-converge of a migration that runs. QEMU goes by a lower max-cpu-throttle only when it throttles again, which a guest that is slowed down so far may
/// never have it do: so until it has, its trigger is as low as it can be.
/// </summary>
sealed partial class DrivenMigration
{
    const string Trigger = "throttle-trigger-threshold";
    const int LowestTrigger = 1;
    const int QemusTrigger = 50;

    // What the trigger is when the guest has been let go so far; null where it is that.
    long? _triggerAfter;

    /// <summary>
    /// Adds what has it go down to the throttle allowed; the trigger afterwards, null where it stays. The caller holds the lock of settings. Throws what QMP throws.
    /// </summary>
    long? LowerThrottle(MigrationLimits limits, MigrationParameters changed, JsonObject arguments)
    {
        if (!IsBeyond(changed) || (limits.MaxThrottle is null && _triggerAfter is null)) return limits.ThrottleTrigger is null ? _triggerAfter : null;
        arguments[Trigger] = LowestTrigger;
        return limits.ThrottleTrigger ?? _triggerAfter ?? QemuParameters.Query(_qmp).Number(Trigger) ?? QemusTrigger;
    }

    bool IsBeyond(MigrationParameters parameters)
    {
        lock (_lock) return CapabilityPlan.Throttles(parameters) && _info.CpuThrottlePercentage > parameters.MaxThrottle;
    }

    void LowersThrottle(long? triggerAfter)
    {
        if (triggerAfter is { } after && _triggerAfter is null)
            Decide("Throttle trigger", $"{after} %", $"{LowestTrigger} %", "Auto-converge goes by a lower -MaxThrottle only when it acts, and does so soon.");
        _triggerAfter = triggerAfter;
    }

    /// <summary>Once QEMU shows a throttle that is allowed.</summary>
    void EndLowering()
    {
        if (Status != MigrationStatus.Active) return;
        lock (_settingsLock)
        {
            MigrationParameters parameters;
            lock (_lock) parameters = _parameters;
            if (!IsBeyond(parameters)) RestoreTrigger();
        }
    }

    // The caller holds the lock of settings.
    void RestoreTrigger()
    {
        if (_triggerAfter is not { } after || _qmp.IsClosed) return;
        try
        {
            _qmp.Execute("migrate-set-parameters", new JsonObject { [Trigger] = after }, AnswerTimeout);
            Decide("Throttle trigger", $"{LowestTrigger} %", $"{after} %", "The guest is slowed down no further than is allowed.");
        }
        catch (MigrationException error)
        {
            // A lost connection is made anew by whoever asks next.
            if (error.Id != MigrationErrorId.QemuRefused) return;
            Decide("Throttle trigger", $"{LowestTrigger} %", "left as it is", error.Message);
        }
        _triggerAfter = null;
    }

    /// <summary>Auto-converge of whoever comes next goes by the values that were there.</summary>
    void RestoreThrottle()
    {
        lock (_settingsLock) RestoreTrigger();
        if (!_steers || _qmp.IsClosed) return;
        try
        {
            _qmp.Execute("migrate-set-parameters", ThrottleSteering.Restore(_present!.Parameters), AnswerTimeout);
        }
        catch (MigrationException error)
        {
            Decide("Auto-converge at the source", "set for this migration", "left as it is", error.Message);
        }
    }
}
