using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>What is done when the time allowed is over.</summary>
sealed partial class DrivenMigration
{
    /// <summary>On a thread of its own. What can't be done instead of a failure is one.</summary>
    void TimeIsUp()
    {
        MigrationParameters parameters;
        lock (_lock) parameters = _parameters;
        try
        {
            var because = FormattableString.Invariant($"it had not switched over after {parameters.Timeout!.Value.TotalSeconds:0.#} s");
            if (parameters.OnTimeout == TimeoutAction.Postcopy) SwitchToPostcopy($"-OnTimeout Postcopy, {because}");
            else if (parameters.OnTimeout == TimeoutAction.SwitchOver) Complete($"-OnTimeout SwitchOver, {because}");
            else GiveUp();
        }
        catch (MigrationException)
        {
            GiveUp();
        }
    }
}
