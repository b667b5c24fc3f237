namespace PsMigrate.Engine.Convergence;

/// <summary>What is remembered of one vCPU between two looks.</summary>
/// <param name="Sleep">How long it is to sleep each time that it has filled its ring, µs.</param>
/// <param name="FastestRate">The most that it wrote per second so far, MB.</param>
readonly record struct DirtyLimitState(long Sleep, long FastestRate);

/// <summary>
/// QEMU's dirty-limit (vcpu_dirty_rate_limit, dirtylimit_adjust_throttle): a vCPU sleeps each time that it has filled its dirty ring, and
/// for how long is adjusted by how far its rate is from its quota. Guests of this process have no ring: they are throttled to the same
/// share of their time. Pure.
/// </summary>
static class DirtyLimitRule
{
    /// <summary>From one look to the next (x-vcpu-dirty-limit-period).</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    // DIRTYLIMIT_TOLERANCE_RANGE, MB/s, and DIRTYLIMIT_LINEAR_ADJUSTMENT_PCT.
    const long Tolerance = 25;
    const long LinearAbove = 50;
    const long MostPercent = 99;

    // A ring of 4096 pages of 4 KiB.
    const long RingMegabytes = 16;

    /// <summary>One look at a vCPU, once a <see cref="Period"/>. MB/s, where a MB is 2^20 bytes.</summary>
    public static DirtyLimitState Adjust(DirtyLimitState state, long quota, long current)
    {
        var fastest = Math.Max(state.FastestRate, current);
        var seen = state with { FastestRate = fastest };
        var (least, most) = (Math.Min(quota, current), Math.Max(quota, current));
        if (current == 0 || most - least <= Tolerance) return seen;
        var full = RingFull(fastest);
        var isFar = (most - least) * 100 / most > LinearAbove;
        var percent = (most - least) * 100 / most;
        var step = isFar ? full * percent / (100 - Math.Min(percent, MostPercent)) : full / 10;
        var sleep = quota < current ? state.Sleep + step : state.Sleep - step;
        return seen with { Sleep = Math.Clamp(sleep, 0, full * MostPercent) };
    }

    /// <summary>The share of its time that it sleeps, percent.</summary>
    public static int Throttle(DirtyLimitState state)
    {
        if (state.Sleep == 0) return 0;
        return (int)Math.Min(MostPercent, 100 * state.Sleep / (state.Sleep + RingFull(state.FastestRate)));
    }

    // How long it takes to fill the ring at its fastest, µs.
    static long RingFull(long fastest) => RingMegabytes * 1_000_000 / Math.Max(1, fastest);
}
