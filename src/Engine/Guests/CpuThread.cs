using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A thread for a vCPU: it waits until it is given one to run, and waits again when that has stopped. To make a thread takes as long as
/// many switch-overs, to wake one does not; so it is made before the guest stops, and kept until nobody needs it.
/// </summary>
sealed class CpuThread
{
    readonly object _gate = new();
    VirtualCpu? _cpu;
    int _run;
    bool _isDismissed;

    /// <summary>Makes it. Throws OutOfMemoryException when the system has none.</summary>
    public CpuThread(string guestName, int index) =>
        EngineThread.Start($"vcpu {guestName}/{index}", Live, failed: null);

    /// <summary>Lets it run this one, when it is through with what it does. What was to be run before and has not begun is dropped.</summary>
    public void Run(VirtualCpu cpu, int run)
    {
        lock (_gate)
        {
            (_cpu, _run) = (cpu, run);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Nobody needs it: it ends.</summary>
    public void Dismiss()
    {
        lock (_gate)
        {
            _isDismissed = true;
            Monitor.Pulse(_gate);
        }
    }

    void Live()
    {
        while (Next() is var (cpu, run))
        {
            try
            {
                cpu.Run(run);
            }
#pragma warning disable CA1031 // It stands, and can be stopped and started like any that does; without its thread it could not.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }

    (VirtualCpu Cpu, int Run)? Next()
    {
        lock (_gate)
        {
            while (_cpu is null && !_isDismissed) Monitor.Wait(_gate);
            if (_isDismissed) return null;
            var next = _cpu!;
            _cpu = null;
            return (next, _run);
        }
    }
}
