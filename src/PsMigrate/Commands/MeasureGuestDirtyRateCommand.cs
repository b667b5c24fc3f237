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
        foreach (var measurement in _running)
            Try(measurement.Guest.Name, () => Finish(measurement));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var measurement in _running) measurement.Dispose();
    }

    void Finish(DirtyRateMeasurement measurement)
    {
        while (!Stopping)
        {
            if (measurement.TryFinish(Tick) is not { } result) continue;
            WriteObject(result);
            return;
        }
    }
}
