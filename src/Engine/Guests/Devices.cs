using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>The guest's own clock: it stands while the guest stands, and goes on at the destination where it stopped.</summary>
sealed class TimerDevice : IDeviceState
{
    long _elapsed;
    long _runningSince;

    public TimerDevice() => Description = new StateDescription("psmigrate/timer", 1,
        [new StateField("elapsed_ns", 8, () => (ulong)Elapsed.Ticks * 100, value => _elapsed = checked((long)(value / 100)))], []);

    public uint Instance => 0;

    public StateDescription Description { get; }

    /// <summary>How long the guest has run.</summary>
    public TimeSpan Elapsed => TimeSpan.FromTicks(_elapsed)
        + (_runningSince == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_runningSince));

    public void Start() => _runningSince = Stopwatch.GetTimestamp();

    public void Stop()
    {
        _elapsed = Elapsed.Ticks;
        _runningSince = 0;
    }

    public void CheckLoaded()
    {
        if (_elapsed < 0) throw DeviceErrors.Invalid("psmigrate/timer", "elapsed_ns", _elapsed);
    }
}

/// <summary>Counts what happened to the guest: migrations it made, and how often a user started it, in a subsection.</summary>
sealed class CounterDevice : IDeviceState
{
    const long MostCounted = 1L << 48;

    public CounterDevice()
    {
        var resumes = new StateDescription("psmigrate/counter/resumes", 1,
            [new StateField("resumes", 8, () => (ulong)Resumes, value => Resumes = (long)value)], [], () => Resumes != 0);
        Description = new StateDescription("psmigrate/counter", 1,
            [new StateField("migrations", 8, () => (ulong)Migrations, value => Migrations = (long)value)], [resumes]);
    }

    public uint Instance => 0;

    public StateDescription Description { get; }

    public long Migrations { get; set; }

    public long Resumes { get; set; }

    public void CheckLoaded()
    {
        if (Migrations is < 0 or > MostCounted) throw DeviceErrors.Invalid("psmigrate/counter", "migrations", Migrations);
        if (Resumes is < 0 or > MostCounted) throw DeviceErrors.Invalid("psmigrate/counter", "resumes", Resumes);
    }
}

static class DeviceErrors
{
    public static MigrationException Invalid(string device, string field, object value) =>
        new(MigrationErrorId.InvalidValue, MigrationSide.Destination, $"{device}: {field} can't be {value}.");
}
