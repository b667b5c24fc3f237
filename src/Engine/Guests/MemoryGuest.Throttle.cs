using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>vCPUs that are held back: by whoever has the guest, and by its migration, each without a say in what the other asks.</summary>
public sealed partial class MemoryGuest
{
    /// <summary>
    /// How much of their time its vCPUs are held back, percent, 0 to 99: the most that one of them is. Setting it is for all, for good, and
    /// says nothing of what a migration does. Throws InvalidParameter.
    /// </summary>
    public int ThrottlePercent
    {
        get => _cpus.Count == 0 ? 0 : _cpus.Max(cpu => Math.Max(cpu.OwnThrottle, cpu.MigrationThrottle));
        set
        {
            CheckThrottle(value);
            foreach (var cpu in _cpus) cpu.OwnThrottle = value;
        }
    }

    /// <summary>How long each vCPU was held back in all.</summary>
    public TimeSpan[] ThrottledTime => [.. _cpus.Select(cpu => cpu.ThrottledTime)];

    /// <summary>What a migration asks of one vCPU, percent, 0 to 99, and how long it runs between two sleeps. Throws InvalidParameter.</summary>
    internal void ThrottleForMigration(int cpu, int percent, TimeSpan? slice = null)
    {
        CheckThrottle(percent);
        _cpus[cpu].ThrottleForMigration(percent, slice);
    }

    /// <summary>The same of all.</summary>
    internal void ThrottleForMigration(int percent)
    {
        for (var cpu = 0; cpu < _cpus.Count; cpu++) ThrottleForMigration(cpu, percent);
    }

    static void CheckThrottle(int percent)
    {
        if (percent is < 0 or > VirtualCpu.MostThrottle)
            throw MigrationException.Invalid($"A throttle is 0 to {VirtualCpu.MostThrottle} percent, and is {percent}.");
    }
}
