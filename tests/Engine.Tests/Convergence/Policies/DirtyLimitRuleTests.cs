using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>QEMU's dirty-limit, against a table made by hand from its algorithm. A ring is 16 MB.</summary>
public sealed class DirtyLimitRuleTests
{
    // Quota and current rate in MB/s; sleep in µs and throttle in percent after the look. The ring is full after 16e6 / fastest µs.
    static readonly (long Quota, long Current, long Sleep, int Throttle)[] Table =
    [
        // 400 MB/s fill it in 40,000 µs; 75 % too much: 40,000 * 75 / 25.
        (100, 400, 120_000, 75),
        // Within 25 MB/s all stays.
        (100, 125, 120_000, 75),
        // 30 of 130 MB/s are 23 %: a tenth of the ring.
        (100, 130, 124_000, 75),
        // Too slow by 60 of 100: 40,000 * 60 / 40 less.
        (100, 40, 64_000, 61),
        // Too slow by 30 of 100: a tenth less.
        (100, 70, 60_000, 60),
        // It stands: nothing is known.
        (100, 0, 60_000, 60),
        // A faster one fills its ring in 16,000 µs; 90 %: 16,000 * 90 / 10, and the sleep is up to 99 rings.
        (100, 1000, 204_000, 92),
        (1, 1000, 1_584_000, 99),
        // 99 % too slow leaves no sleep.
        (1000, 10, 0, 0),
    ];

    [Fact]
    public void By_the_table()
    {
        var state = new DirtyLimitState();
        for (var at = 0; at < Table.Length; at++)
        {
            var (quota, current, sleep, throttle) = Table[at];
            state = DirtyLimitRule.Adjust(state, quota, current);
            Assert.True((sleep, throttle) == (state.Sleep, DirtyLimitRule.Throttle(state)), $"Look {at + 1}: {state.Sleep} µs, {DirtyLimitRule.Throttle(state)} %.");
        }
    }

    [Fact]
    public void One_that_keeps_to_it_is_left_alone()
    {
        var state = DirtyLimitRule.Adjust(default, quota: 100, current: 90);
        Assert.Equal((0, 0), (state.Sleep, DirtyLimitRule.Throttle(state)));
    }
}
