using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>QEMU's parameters of auto-converge, percent.</summary>
/// <param name="Trigger">throttle-trigger-threshold: the share of what was sent above which what was dirtied is too much, 1 to 100.</param>
/// <param name="Initial">cpu-throttle-initial, 1 to 99.</param>
/// <param name="Increment">cpu-throttle-increment, 1 to 99.</param>
/// <param name="TailSlow">cpu-throttle-tailslow: steps are no larger than is needed.</param>
/// <param name="Most">max-cpu-throttle, 1 to 99.</param>
readonly record struct AutoConvergeSettings(int Trigger = 50, int Initial = 20, int Increment = 10, bool TailSlow = false, int Most = 99)
{
    /// <summary>QEMU's.</summary>
    public static AutoConvergeSettings Defaults { get; } = new(Trigger: 50);

    public static AutoConvergeSettings Of(MigrationParameters parameters) => new(
        parameters.ThrottleTrigger ?? 50, parameters.ThrottleInitial ?? 20, parameters.ThrottleIncrement ?? 10, parameters.ThrottleTailslow,
        parameters.MaxThrottle ?? 99);
}

/// <summary>What auto-converge remembers between two looks.</summary>
/// <param name="HighCount">Looks that found too much dirtied since it last acted; not necessarily one after the other.</param>
readonly record struct AutoConvergeState(int HighCount);

/// <summary>QEMU's auto-converge (migration_trigger_throttle, mig_throttle_guest_down), with its whole numbers. Pure.</summary>
static class AutoConvergeRule
{
    const int LooksUntilAction = 2;

    /// <summary>One look at a period: whether too much was dirtied too often, and what is remembered.</summary>
    /// <param name="state">What the look before left.</param>
    /// <param name="trigger">throttle-trigger-threshold, percent.</param>
    /// <param name="dirtied">Bytes of pages found dirty in the period.</param>
    /// <param name="sent">Bytes sent in the period.</param>
    public static (AutoConvergeState State, bool Acts) Judge(AutoConvergeState state, int trigger, long dirtied, long sent)
    {
        if (dirtied <= Limit(trigger, sent)) return (state, false);
        var count = state.HighCount + 1;
        return count >= LooksUntilAction ? (default, true) : (new AutoConvergeState(count), false);
    }

    /// <summary>Percent by which the vCPUs are held back after it acted.</summary>
    public static int Next(AutoConvergeSettings settings, int throttle, long dirtied, long sent)
    {
        if (throttle == 0) return Bounded(Math.Min(settings.Initial, settings.Most));
        long increment = settings.Increment;
        if (settings.TailSlow)
        {
            // How much of its time the guest may have for its dirtying to just meet the limit.
            long now = 100 - throttle;
            var ideal = (long)(now * (Limit(settings.Trigger, sent) * 1.0 / dirtied));
            increment = Math.Min(now - ideal, increment);
        }
        return Bounded((int)Math.Min(throttle + increment, settings.Most));
    }

    static long Limit(int trigger, long sent) => (long)((Int128)sent * trigger / 100);

    static int Bounded(int percent) => Math.Clamp(percent, 1, 99);
}
