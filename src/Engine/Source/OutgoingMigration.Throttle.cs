using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>The guest is held back for as long as this migration, and no longer, however it ends (cpu_throttle_stop).</summary>
sealed partial class OutgoingMigration
{
    TimeSpan[] _throttledBefore = [];
    // While the guest stands nothing can change, and after its end another migration may have it.
    TimeSpan[]? _throttled;

    /// <summary>Once the guest is this migration's.</summary>
    void BeginThrottleCount() => _throttledBefore = _guest.ThrottledTime;

    /// <summary>Before the guest is given back or away; also where nothing was ever asked of it.</summary>
    void EndThrottle()
    {
        _guest.ThrottleForMigration(0);
        _throttled ??= ThrottledTime;
    }

    /// <summary>How long each vCPU was held back since the start.</summary>
    TimeSpan[] ThrottledTime => _throttled ?? [.. _guest.ThrottledTime.Zip(_throttledBefore, (now, before) => now - before)];
}
