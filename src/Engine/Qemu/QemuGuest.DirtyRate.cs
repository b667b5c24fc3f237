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

    // MIN_CALC_TIME_MS, and before that MIN_FETCH_DIRTYRATE_TIME_SEC.
    static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan ShortestInSeconds = TimeSpan.FromSeconds(1);

    // DIRTYRATE_DEFAULT_SAMPLE_PAGES and MAX_SAMPLE_PAGE_COUNT, per GiB; the last is ours, of all memory.
    const int QemuSamplePages = 512;
    const int MostSamplePages = 16384;
    const long EnoughSamplePages = 4096;

    /// <summary>
    /// Has QEMU begin to measure the first of several intervals. Throws InvalidParameter, RequiresKvm, UnsupportedByQemu, GuestBusy where
    /// QEMU measures already, or a migration of ours reads the dirty log that this would, and what QMP throws.
    /// </summary>
    public DirtyRateMeasurement MeasureDirtyRate(DirtyRateOptions options)
    {
        options.Validate();
        Require(MeasuresDirtyRate, "Measuring a dirty rate");
        if (options.SamplePages is not null) Require(TakesSamplePages, "SamplePages");
        if (options.Mode is DirtyRateMode.DirtyBitmap or DirtyRateMode.DirtyRing) CheckLog(options.Mode.Value);
        CheckTime(options.Duration);
        var intervals = QemuDirtyRateMeasurement.Split(options.Duration, QemuVersion < CountsMilliseconds ? ShortestInSeconds : ShortestInterval);
        var first = BeginBest(options, intervals[0]);
        return new QemuDirtyRateMeasurement(this, options.Duration, intervals, first, interval => Begin(first.Mode, options, interval));
    }

    /// <summary>page-sampling, dirty-bitmap or dirty-ring.</summary>
    static string NameOf(DirtyRateMode mode) => mode switch
    {
        DirtyRateMode.DirtyBitmap => "dirty-bitmap",
        DirtyRateMode.DirtyRing => "dirty-ring",
        _ => "page-sampling",
    };

    void CheckTime(TimeSpan duration)
    {
        if (!IsWholeSeconds(duration)) Require(CountsMilliseconds, "A time that is not whole seconds");
    }

    static bool IsWholeSeconds(TimeSpan duration) => duration.Ticks % TimeSpan.TicksPerSecond == 0;

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

    /// <summary>The mode that was asked for; else the best that QEMU has: with a dirty ring it refuses the bitmap, and without one the ring.</summary>
    QemuDirtyRateInterval BeginBest(DirtyRateOptions options, TimeSpan interval)
    {
        if (options.Mode is { } asked) return Begin(asked, options, interval);
        if (options.SamplePages is null && QemuVersion >= HasModes && Accelerator == Kvm && !IsBusy)
            foreach (var mode in (ReadOnlySpan<DirtyRateMode>)[DirtyRateMode.DirtyBitmap, DirtyRateMode.DirtyRing])
                if (TryBegin(mode, options, interval) is { } begun) return begun;
        return Begin(DirtyRateMode.PageSampling, options, interval);
    }

    QemuDirtyRateInterval? TryBegin(DirtyRateMode mode, DirtyRateOptions options, TimeSpan interval)
    {
        try
        {
            return Begin(mode, options, interval);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            return null;
        }
    }

    QemuDirtyRateInterval Begin(DirtyRateMode mode, DirtyRateOptions options, TimeSpan interval)
    {
        if (mode != DirtyRateMode.PageSampling) CheckLog(mode);
        var arguments = Arguments(mode, mode == DirtyRateMode.PageSampling ? options.SamplePages ?? BestSamplePages() : null, interval);
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
        return new QemuDirtyRateInterval(this, mode, interval, arguments);
    }

    // Of a small guest QEMU's default looks at a few pages only, of which none may be written in a short interval. Null is that default.
    int? BestSamplePages()
    {
        var pages = (EnoughSamplePages << 30) / Math.Max(1 << 20, MemorySize);
        return QemuVersion < TakesSamplePages || pages <= QemuSamplePages ? null : (int)Math.Min(pages, MostSamplePages);
    }

    // Whole seconds need no unit, and sampling no mode, so that all versions understand them.
    static JsonObject Arguments(DirtyRateMode mode, int? samplePages, TimeSpan interval)
    {
        var isWhole = IsWholeSeconds(interval);
        var arguments = new JsonObject { ["calc-time"] = (long)(isWhole ? interval.TotalSeconds : interval.TotalMilliseconds) };
        if (!isWhole) arguments["calc-time-unit"] = "millisecond";
        if (samplePages is { } pages) arguments["sample-pages"] = pages;
        if (mode != DirtyRateMode.PageSampling) arguments["mode"] = NameOf(mode);
        return arguments;
    }

    void Require(Version since, string what)
    {
        if (QemuVersion < since)
            throw new MigrationException(MigrationErrorId.UnsupportedByQemu, MigrationSide.User,
                $"{what} needs QEMU {since}, and guest {Name} runs on {QemuVersion}.");
    }
}
