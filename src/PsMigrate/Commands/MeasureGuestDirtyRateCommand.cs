using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Measures how much memory guests dirty within how much time, all of them at once.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "GuestDirtyRate", DefaultParameterSetName = ByGuest)]
[OutputType(typeof(GuestDirtyRate))]
public sealed class MeasureGuestDirtyRateCommand : GuestActionCmdlet, IDisposable
{
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    readonly List<(DirtyRateMeasurement Measurement, GuestDirtyRate? Result)> _running = [];

    /// <summary>How long to measure.</summary>
    [Parameter(HelpMessage = "How long to measure: a TimeSpan, text such as 500ms or 10s, or a number of seconds; 50 ms to 60 s, 3 s by "
        + "default. The curve reaches that far in a guest in memory, and half as far in a QEMU's. Before version 8.2 QEMU takes whole "
        + "seconds only.")]
    [Duration(BareNumber.Seconds)]
    [Alias("calc-time")]
    public TimeSpan Duration { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How to measure.</summary>
    [Parameter(HelpMessage = "PageSampling (of a QEMU), DirtyBitmap (of guests in memory, and of a QEMU on KVM) or DirtyRing (of a QEMU on "
        + "KVM with -accel kvm,dirty-ring-size=N). By default the best that there is.")]
    public DirtyRateMode? Mode { get; set; }

    /// <summary>How many samples.</summary>
    [Parameter(HelpMessage = "Pages to sample per GiB, 128 to 16384; by default 512, and of a guest of less than 8 GiB 4096 in all. For PageSampling "
        + "only.")]
    [Alias("sample-pages")]
    public int? SamplePages { get; set; }

    private protected override void Process(Guest guest)
    {
        var options = new DirtyRateOptions { Duration = Duration, Mode = Mode, SamplePages = SamplePages };
        if (_running.Any(one => one.Measurement.Guest == guest)) return;
        Try(guest.Name, () => _running.Add((guest.MeasureDirtyRate(options), null)));
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        while (_running.Count > 0 && !Stopping)
        {
            // A QEMU is to begin with its next interval, whoever comes first. Results come in the order of the guests.
            for (var i = _running.Count - 1; i >= 0; i--) Look(i, i == 0 ? Step : TimeSpan.Zero);
            while (_running.Count > 0 && _running[0].Result is { } result)
            {
                Drop(0);
                WriteObject(result);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (measurement, _) in _running) measurement.Dispose();
    }

    void Look(int index, TimeSpan wait)
    {
        var (measurement, result) = _running[index];
        if (result is not null) return;
        if (Try(measurement.Guest.Name, () => result = measurement.TryFinish(wait))) _running[index] = (measurement, result);
        else Drop(index);
    }

    void Drop(int index)
    {
        _running[index].Measurement.Dispose();
        _running.RemoveAt(index);
    }
}
