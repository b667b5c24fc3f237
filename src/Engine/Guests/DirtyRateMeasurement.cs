using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>How a dirty rate shall be measured.</summary>
public sealed record DirtyRateOptions
{
    static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    /// <summary>Of all of it, 50 ms to 60 s, as in QEMU. The curve reaches from about 25 ms to there.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Null takes what the guest does best: the dirty log of one in memory and of a QEMU on KVM, page sampling by another QEMU.
    /// </summary>
    public DirtyRateMode? Mode { get; init; }

    /// <summary>Of page sampling, pages per GiB, 128 to 16384; null is 512, and more of a guest of less than 8 GiB: 4096 in all.</summary>
    public int? SamplePages { get; init; }

    /// <summary>Throws InvalidParameter for what can't be.</summary>
    public DirtyRateOptions Validate()
    {
        if (Duration < Shortest || Duration > Longest)
            throw MigrationException.Invalid(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"A dirty rate is measured for 50 ms to 60 s, and not for {Duration.TotalSeconds} s."));
        if (SamplePages is < 128 or > 16384)
            throw MigrationException.Invalid($"SamplePages must be 128 to 16384, and is {SamplePages}.");
        if (SamplePages is not null && Mode is not (null or DirtyRateMode.PageSampling))
            throw MigrationException.Invalid($"SamplePages is for page sampling, and not for mode {Mode}.");
        return this;
    }
}

/// <summary>A dirty rate that is being measured. Used by one thread.</summary>
public abstract class DirtyRateMeasurement(Guest guest, TimeSpan duration) : IDisposable
{
    /// <summary>Whose.</summary>
    public Guest Guest => guest;

    /// <summary>For how long.</summary>
    public TimeSpan Duration => duration;

    private protected Stopwatch Clock { get; } = Stopwatch.StartNew();

    /// <summary>
    /// The result, or null if it is not known after waiting for so long. Throws why there will be none; then it is over.
    /// </summary>
    public abstract GuestDirtyRate? TryFinish(TimeSpan wait);

    /// <summary>Gives it up. What a QEMU measures, it measures to the end, and nobody asks for the result.</summary>
    public void Dispose()
    {
        Abandon();
        GC.SuppressFinalize(this);
    }

    private protected virtual void Abandon()
    {
    }
}
