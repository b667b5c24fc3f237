using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Measures how fast guests dirty memory, all of them at the same time.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "GuestDirtyRate", DefaultParameterSetName = ByGuest)]
[OutputType(typeof(GuestDirtyRate))]
public sealed class MeasureGuestDirtyRateCommand : GuestActionCmdlet, IDisposable
{
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    readonly List<DirtyRateMeasurement> _running = [];

    /// <summary>How long to measure.</summary>
    [Parameter(HelpMessage = "How long to measure: a TimeSpan, text such as 500ms or 10s, or a number of seconds; 50 ms to 60 s, 1 s by "
        + "default. Before version 8.2 QEMU takes whole seconds only.")]
    [Duration(BareNumber.Seconds)]
    [Alias("calc-time")]
    public TimeSpan Duration { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How to measure.</summary>
    [Parameter(HelpMessage = "PageSampling (the default for guests of a QEMU), DirtyBitmap (the default for guests in memory; of a QEMU on "
        + "KVM) or DirtyRing (of a QEMU on KVM with -accel kvm,dirty-ring-size=N).")]
    public DirtyRateMode? Mode { get; set; }

    /// <summary>How many samples.</summary>
    [Parameter(HelpMessage = "Pages to sample per GiB, 128 to 16384; 512 by default. For PageSampling only.")]
    [Alias("sample-pages")]
    public int? SamplePages { get; set; }

    private protected override void Process(Guest guest)
    {
        var options = new DirtyRateOptions { Duration = Duration, Mode = Mode, SamplePages = SamplePages };
        if (_running.Any(one => one.Guest == guest)) return;
        Try(guest.Name, () => _running.Add(guest.MeasureDirtyRate(options)));
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // None waits for another: a log that is read late counts for longer.
        while (_running.Count > 0 && !Stopping)
        {
            for (var i = 0; i < _running.Count;)
                if (!IsOver(_running[i], i == 0 ? Step : TimeSpan.Zero)) i++;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var measurement in _running) measurement.Dispose();
    }

    bool IsOver(DirtyRateMeasurement measurement, TimeSpan wait)
    {
        GuestDirtyRate? result = null;
        if (Try(measurement.Guest.Name, () => result = measurement.TryFinish(wait)) && result is null) return false;
        _running.Remove(measurement);
        measurement.Dispose();
        if (result is not null) WriteObject(result);
        return true;
    }
}
