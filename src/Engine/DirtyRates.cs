using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Measuring;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Engine;

/// <summary>How fast guests dirty memory, wherever they live.</summary>
public static class DirtyRates
{
    /// <summary>
    /// Begins to measure the curve of distinct memory that a guest dirties. Throws InvalidParameter, GuestBusy, GuestInDoubt,
    /// GuestRunsElsewhere, GuestLost, UnsupportedByGuest, RequiresKvm, UnsupportedByQemu, and what QMP throws.
    /// </summary>
    public static DirtyRateMeasurement MeasureDirtyRate(this Guest guest, DirtyRateOptions options) => guest switch
    {
        QemuGuest driven => driven.MeasureDirtyRate(options),
        MemoryGuest own => InMemory(own, options.Validate()),
        _ => throw new ArgumentException($"Guest {guest.Name} is of no kind that can be measured.", nameof(guest)),
    };

    static MemoryMeasurement InMemory(MemoryGuest guest, DirtyRateOptions options)
    {
        if (guest.Kind == GuestKind.Captured)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {guest.Name} was captured from a QEMU and does not run here: it dirties nothing.");
        if (options.Mode is DirtyRateMode.PageSampling or DirtyRateMode.DirtyRing || options.SamplePages is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {guest.Name} is in memory: its dirty rate is counted by its log ({DirtyRateMode.DirtyBitmap}), and nothing is sampled.");
        return new MemoryMeasurement(guest, options.Duration);
    }
}
