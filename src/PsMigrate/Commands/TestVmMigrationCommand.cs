using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>Measures guests, and tells how their migrations would go. Changes no guest, and sends nothing but what -Probe asks for.</summary>
[Cmdlet(VerbsDiagnostic.Test, "VmMigration", DefaultParameterSetName = ByGuest)]
[OutputType(typeof(MigrationForecast))]
public sealed partial class TestVmMigrationCommand : GuestActionCmdlet, IDisposable
{
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    readonly List<(DirtyRateMeasurement Measurement, MigrationUri Destination, GuestDirtyRate? Rate)> _running = [];

    /// <summary>Where they would go.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Where to, as for Start-VmMigration: local:NAME, tcp:HOST:PORT, unix:PATH, file:PATH or exec:COMMAND, or a receiver. "
            + "Nothing is connected there.")]
    [Alias("DestinationHost", "DestinationUri")]
    [ValidateNotNullOrEmpty]
    [Destination]
    [ArgumentCompleter(typeof(DestinationCompleter))]
    public string Destination { get; set; } = "";

    /// <summary>What the link carries.</summary>
    [Parameter(HelpMessage = "What the link carries, bytes per second: a number (100MB), or text such as 100MB/s or 1Gbit/s. By default what -Probe finds, what the "
        + "last migration of this process to the same place had, and without one the -MaxBandwidth.")]
    [Size(IsRate = true)]
    public long Bandwidth { get; set; }

    /// <summary>What may be sent.</summary>
    [Parameter(HelpMessage = "Most bytes per second that would be sent for each guest, as for Start-VmMigration. No limit by default.")]
    [Size(IsRate = true)]
    [Alias("max-bandwidth")]
    public long MaxBandwidth { get; set; }

    /// <summary>How long a guest may stand still.</summary>
    [Parameter(HelpMessage = "How long a guest may stand still: a TimeSpan, text such as 300ms, or a number of milliseconds; 1 ms to 2000 s. "
        + "300 ms by default.")]
    [Duration(BareNumber.Milliseconds)]
    [Alias("downtime-limit")]
    public TimeSpan? MaxDowntime { get; set; }

    /// <summary>How long to measure.</summary>
    [Parameter(HelpMessage = "How long to measure what the guests write: a TimeSpan, text such as 500ms or 10s, or a number of seconds; 50 ms to "
        + "60 s, 3 s by default. About as long as a pass over memory takes is best.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan Duration { get; set; } = TimeSpan.FromSeconds(3);

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        try
        {
            Parameters().Validate();
            new DirtyRateOptions { Duration = Duration }.Validate();
            if (Bandwidth < 0 || (IsBound(nameof(Bandwidth)) && Bandwidth == 0)) throw Invalid("Bandwidth must be more than 0.");
            if (IsBound(nameof(Destination))) MigrationUri.Parse(Destination);
            ProbeLink();
        }
        catch (MigrationException error)
        {
            ThrowFailure(error, null);
        }
    }

    private protected override void Process(Guest guest)
    {
        Try(guest.Name, () =>
        {
            var destination = FileLookup.Address(SessionState.Path, Destination);
            if (_probed is null && !MigrationForecasts.IsLinkKnown(destination, Parameters(), Given))
                throw Invalid($"Nobody knows what the link to {destination} carries: give -Bandwidth, or a -MaxBandwidth that it surely "
                    + "carries, or -Probe, or migrate there once.");
            if (_running.Any(one => one.Measurement.Guest == guest)) return;
            _running.Add((guest.MeasureDirtyRate(new DirtyRateOptions { Duration = Duration }), destination, null));
        });
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        while (_running.Count > 0 && !Stopping)
        {
            // A QEMU is to begin with its next interval, whoever comes first. Forecasts come in the order of the guests.
            for (var i = _running.Count - 1; i >= 0; i--) Look(i, i == 0 ? Step : TimeSpan.Zero);
            while (_running.Count > 0 && _running[0] is { Rate: { } rate, Measurement.Guest: var guest, Destination: var destination })
            {
                Drop(0);
                MigrationForecast? forecast = null;
                Try(guest.Name, () => forecast = MigrationForecasts.Make(guest, destination, Parameters(), rate, Given, _probed));
                if (forecast is not null) WriteObject(forecast);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (measurement, _, _) in _running) measurement.Dispose();
        _stopped.Dispose();
    }

    void Look(int index, TimeSpan wait)
    {
        var (measurement, destination, rate) = _running[index];
        if (rate is not null) return;
        if (Try(measurement.Guest.Name, () => rate = measurement.TryFinish(wait))) _running[index] = (measurement, destination, rate);
        else Drop(index);
    }

    void Drop(int index)
    {
        _running[index].Measurement.Dispose();
        _running.RemoveAt(index);
    }

    double? Given => Bandwidth > 0 ? Bandwidth : null;

    static MigrationException Invalid(string message) => new(MigrationErrorId.InvalidParameter, MigrationSide.User, message);
}
