namespace PsMigrate.Engine.Guests;

/// <summary>
/// A vCPU of a guest whose memory is not all there: a tick that needs a missing page is not begun. It is waited for asleep, between two
/// ticks, so that the vCPU can be stopped meanwhile like any that sleeps.
/// </summary>
sealed partial class VirtualCpu
{
    volatile PageFaults? _faults;
    Action? _wake;

    /// <summary>Says which pages are missing; null when none is. Set while it stands; made null at any time once all pages are there.</summary>
    public PageFaults? Faults
    {
        get => _faults;
        set
        {
            _wake ??= Wake;
            _faults = value;
        }
    }

    /// <summary>Runs up to so many ticks. Returns the page that the next one needs and that is missing, or -1.</summary>
    long RunChecked(int run, long count, PageFaults faults)
    {
        var program = Program;
        var last = StopAtTick;
        for (; count > 0 && _run == run && _registers.Tick < last; count--)
        {
            var missing = GuestTick.RunChecked(program, ref _registers, _ram, faults);
            if (missing >= 0) return missing;
        }
        return -1;
    }

    /// <summary>Sleeps until the page is there, or it is stopped, or its next tick is none that it may run.</summary>
    void Await(int run, long page, PageFaults faults)
    {
        if (!faults.Begin(Index, _ram, page, _wake!)) return;
        lock (_gate)
        {
            while (_run == run && _registers.Tick < StopAtTick && faults.IsMissing(_ram, page)) Sleep(run, Timeout.Infinite);
            // A stop that found it asleep has said so already, and another thread may be at it by then.
            if (_running == run) faults.Pause(Index);
        }
    }

    void Wake()
    {
        lock (_gate) Monitor.PulseAll(_gate);
    }
}
