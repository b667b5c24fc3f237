using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>How fast it dirties memory, as QEMU measures it (calc-dirty-rate).</summary>
public sealed partial class QemuGuest
{
    static readonly Version MeasuresDirtyRate = new(5, 2);
    static readonly Version TakesSamplePages = new(6, 1);
    static readonly Version HasModes = new(6, 2);
    static readonly Version CountsMilliseconds = new(8, 2);

    /// <summary>
    /// Has QEMU begin to measure. Throws InvalidParameter, RequiresKvm, UnsupportedByQemu, GuestBusy where QEMU measures already, or
    /// a migration of ours reads the dirty log that this would, and what QMP throws.
    /// </summary>
    public override DirtyRateMeasurement MeasureDirtyRate(DirtyRateOptions options)
    {
        options.Validate();
        var mode = options.Mode ?? DirtyRateMode.PageSampling;
        Require(MeasuresDirtyRate, "Measuring a dirty rate");
        var arguments = Time(options.Duration);
        if (options.SamplePages is { } pages)
        {
            Require(TakesSamplePages, "SamplePages");
            arguments["sample-pages"] = pages;
        }
        if (mode != DirtyRateMode.PageSampling)
        {
            CheckLog(mode);
            arguments["mode"] = NameOf(mode);
        }
        Begin(arguments);
        return new QemuDirtyRateMeasurement(this, mode, options.Duration, arguments);
    }

    /// <summary>page-sampling, dirty-bitmap or dirty-ring.</summary>
    static string NameOf(DirtyRateMode mode) => mode switch
    {
        DirtyRateMode.DirtyBitmap => "dirty-bitmap",
        DirtyRateMode.DirtyRing => "dirty-ring",
        _ => "page-sampling",
    };

    // Whole seconds need no unit, so that all versions understand them.
    JsonObject Time(TimeSpan duration)
    {
        if (duration.Ticks % TimeSpan.TicksPerSecond == 0) return new() { ["calc-time"] = (long)duration.TotalSeconds };
        Require(CountsMilliseconds, "A time that is not whole seconds");
        return new() { ["calc-time"] = (long)duration.TotalMilliseconds, ["calc-time-unit"] = "millisecond" };
    }

    // Asked for them on TCG, 7.2 dies of a segmentation fault, and later ones count nothing.
    void CheckLog(DirtyRateMode mode)
    {
        Require(HasModes, $"Mode {mode}");
        if (Accelerator != Kvm)
            throw new MigrationException(MigrationErrorId.RequiresKvm, MigrationSide.User,
                $"Mode {mode} counts in KVM's dirty log, and guest {Name} does not run on KVM"
                + $"{(Accelerator.Length == 0 ? "" : $" but on {Accelerator}")}. Mode {DirtyRateMode.PageSampling} measures everywhere.");
        if (IsBusy)
            throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User,
                $"Guest {Name} is being migrated, which reads the dirty log that mode {mode} would count in.");
    }

    void Begin(JsonObject arguments)
    {
        try
        {
            Qmp.Execute("calc-dirty-rate", arguments);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused
            && Qmp.Execute("query-dirty-rate").Text("status") == "measuring")
        {
            throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User,
                $"The dirty rate of guest {Name} is being measured already.", error);
        }
    }

    void Require(Version since, string what)
    {
        if (QemuVersion < since)
            throw new MigrationException(MigrationErrorId.UnsupportedByQemu, MigrationSide.User,
                $"{what} needs QEMU {since}, and guest {Name} runs on {QemuVersion}.");
    }
}
