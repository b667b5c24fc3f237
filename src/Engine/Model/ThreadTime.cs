using System.Runtime.InteropServices;

namespace PsMigrate.Engine.Model;

/// <summary>How long the calling thread has had a processor.</summary>
static partial class ThreadTime
{
    const int ThreadClock = 3;

    /// <summary>Null where the system does not tell.</summary>
    public static TimeSpan? Now
    {
        get
        {
            if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess) return null;
            return Clock(ThreadClock, out var time) == 0 ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / 100) : null;
        }
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int Clock(int clock, out ClockTime time);

    // struct timespec.
    struct ClockTime
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
