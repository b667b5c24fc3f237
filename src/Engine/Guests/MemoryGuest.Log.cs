namespace PsMigrate.Engine.Guests;

/// <summary>The dirty log goes on and off while every vCPU stands between two ticks; nothing is allocated in that time.</summary>
public sealed partial class MemoryGuest
{
    /// <summary>Logs writes from here on, all pages clean. <paramref name="atStart"/> runs while the vCPUs stand.</summary>
    internal void StartLog(Action? atStart = null)
    {
        var logs = Memory.MakeLogs();
        AtTickBoundary(() =>
        {
            Memory.StartLog(logs);
            atStart?.Invoke();
            return true;
        });
    }

    /// <summary>Writes are not logged any more.</summary>
    internal void StopLog() => AtTickBoundary(() =>
    {
        Memory.StopLog();
        return true;
    });
}
