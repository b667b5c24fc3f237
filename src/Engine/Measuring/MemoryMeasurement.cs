using System.Runtime.ExceptionServices;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// The dirty curve of a guest in memory, counted by its log on a thread of its own. The log has one reader: while it is read here, no
/// migration has the guest. vCPUs stand between two ticks where the log goes on and off, and at no other time; for the rest they pay for
/// their first write to a page after each reading, as they do in a migration's passes.
/// </summary>
sealed class MemoryMeasurement : DirtyRateMeasurement
{
    readonly MemoryGuest _guest;
    readonly IReadOnlyList<RamBlock> _blocks;
    readonly DirtyWindows _windows;
    readonly ReadSchedule _schedule;
    readonly object _gate = new();
    readonly Thread _thread;
    volatile bool _isGivenUp;
    GuestDirtyRate? _result;
    ExceptionDispatchInfo? _error;

    /// <summary>Begins to count. Throws GuestBusy, GuestInDoubt, GuestRunsElsewhere, GuestLost, OutOfMemoryException.</summary>
    public MemoryMeasurement(MemoryGuest guest, TimeSpan duration)
        : base(guest, duration)
    {
        _guest = guest;
        _blocks = guest.Memory.Blocks;
        guest.Claim(this, Guid.Empty, keepsSource: true);
        try
        {
            guest.StartLog(Clock.Restart);
            _windows = new DirtyWindows(_blocks.Select(block => block.Log!), duration);
            _schedule = new ReadSchedule(_windows.Part, guest.ProcessorCount, guest.MemorySize / GuestMemory.PageSize);
            // Whoever waits for the result gets what was thrown.
            _thread = EngineThread.Start($"dirty rate of {guest.Name}", Run, error => _error = ExceptionDispatchInfo.Capture(error));
        }
        catch
        {
            GiveBack();
            throw;
        }
    }

    /// <inheritdoc/>
    public override GuestDirtyRate? TryFinish(TimeSpan wait)
    {
        if (!_thread.Join(wait)) return null;
        _error?.Throw();
        return _result;
    }

    private protected override void Abandon()
    {
        lock (_gate)
        {
            _isGivenUp = true;
            Monitor.PulseAll(_gate);
        }
        _thread.Join();
    }

    void Run()
    {
        try
        {
            _result = Measure();
        }
        finally
        {
            GiveBack();
        }
    }

    void GiveBack()
    {
        if (_blocks[0].Log is not null) _guest.StopLog();
        _guest.Unclaim(this);
    }

    /// <summary>Null when it was given up.</summary>
    GuestDirtyRate? Measure()
    {
        DeltaSample? sample = null;
        for (var next = 1L; WaitFor(next);)
        {
            var taken = Read(Clock.Elapsed);
            next = _schedule.Next(_windows.PartsOver, taken);
            if (_windows.PartsOver >= _windows.Parts / 2) sample ??= new DeltaSample(_blocks, _windows.Whole);
        }
        if (_isGivenUp) return null;
        var time = _guest.AtTickBoundary(() =>
        {
            _guest.Memory.StopLog();
            return Clock.Elapsed;
        });
        _windows.Take();
        var deltas = sample?.Share(_windows.IsInOpenWindow);
        return Result(time, _windows.End(time), deltas);
    }

    long Read(TimeSpan now)
    {
        var pages = _windows.Take();
        _windows.Close(now);
        return pages;
    }

    /// <summary>Waits until so many parts are over. False at the end of the last one, and when it is given up.</summary>
    bool WaitFor(long parts)
    {
        var next = parts >= _windows.Parts ? Duration : _windows.Part * parts;
        lock (_gate)
            for (var left = next - Clock.Elapsed; left > TimeSpan.Zero && !_isGivenUp; left = next - Clock.Elapsed)
                Monitor.Wait(_gate, (int)Math.Ceiling(left.TotalMilliseconds));
        return !_isGivenUp && Clock.Elapsed < Duration;
    }

    GuestDirtyRate Result(TimeSpan time, DirtyCurvePoint[] points, double? deltas)
    {
        var content = ContentSample.Of(_blocks);
        var curve = new DirtyCurve
        {
            Points = points, TotalBytes = _guest.MemorySize, UsedBytes = content.UsedBytes, ZeroShare = content.ZeroShare,
            CompressedShare = content.CompressedShare, DeltaShare = deltas, Places = _windows.Places,
        };
        return new()
        {
            Name = _guest.Name, Host = _guest.Host, Mode = DirtyRateMode.DirtyBitmap, Duration = time,
            DirtyRate = points[^1].Bytes / time.TotalSeconds, Vcpus = [.. _guest.Cpus.Select(cpu => RateOf(cpu, time))], Curve = curve,
            WrittenBytes = (long)points[^1].Bytes, WorkingSet = WorkingSetEstimate.Of(curve),
        };
    }

    // No other vCPU writes its share, and all shares are in the first block.
    VcpuDirtyRate RateOf(VirtualCpu cpu, TimeSpan time) => new(cpu.Index,
        _windows.CountIn(0, cpu.Program.FirstPage, cpu.Program.PageCount) * GuestMemory.PageSize / time.TotalSeconds);
}
