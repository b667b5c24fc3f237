using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>QEMU's auto-converge, against a table made by hand from its algorithm.</summary>
public sealed class AutoConvergeRuleTests
{
    // Looks one after the other: bytes dirtied and sent in each, and the throttle after it.
    static readonly (long Dirtied, long Sent, int After)[] Steady =
        [(100, 100, 0), (100, 100, 20), (100, 100, 20), (100, 100, 30), (100, 100, 30), (100, 100, 40)];

    // High, low, high: the two looks need not follow each other, and the count begins anew after each step.
    static readonly (long Dirtied, long Sent, int After)[] WithPauses =
        [(51, 100, 0), (50, 100, 0), (10, 100, 0), (51, 100, 20), (50, 100, 20), (51, 100, 20), (0, 100, 20), (51, 100, 30)];

    // 100 dirtied for 100 sent, 50 % allowed. 80 left of its time: 40 would do, a step of 40 is cut to 10. 70: 35. ...
    // 73 dirtied: 70 left, 70 * 50 / 73 = 47 (47.9 without its fraction), 23 are cut to 10; then 60 left and 55 dirtied: 54, a step of 6.
    // 54 left and 51 dirtied: 54 * 50 / 51 = 52 (52.9), a step of 2.
    static readonly (long Dirtied, long Sent, int After)[] TailSlow =
        [(100, 100, 0), (100, 100, 20), (100, 100, 20), (100, 100, 30), (73, 100, 30), (73, 100, 40), (55, 100, 40), (55, 100, 46), (51, 100, 46), (51, 100, 48)];

    // 98 + 10 is cut to the most.
    static readonly (long Dirtied, long Sent, int After)[] ToTheMost =
        [(9, 1, 0), (9, 1, 20), (9, 1, 20), (9, 1, 98), (9, 1, 98), (9, 1, 99), (9, 1, 99), (9, 1, 99)];

    [Fact]
    public void By_the_defaults() => Follow(AutoConvergeSettings.Defaults, Steady);

    [Fact]
    public void Looks_that_find_too_much_need_not_follow_each_other() => Follow(AutoConvergeSettings.Defaults, WithPauses);

    [Fact]
    public void Tailslow_takes_no_larger_steps_than_are_needed() => Follow(new AutoConvergeSettings(TailSlow: true), TailSlow);

    [Fact]
    public void It_never_goes_beyond_the_most() => Follow(new AutoConvergeSettings(Increment: 78), ToTheMost);

    [Fact]
    public void Nor_with_a_lower_most() =>
        Follow(new AutoConvergeSettings(Most: 33), [(9, 1, 0), (9, 1, 20), (9, 1, 20), (9, 1, 30), (9, 1, 30), (9, 1, 33), (9, 1, 33), (9, 1, 33)]);

    [Fact]
    public void The_trigger_is_a_share_of_what_was_sent_in_whole_bytes() =>
        // 33 % of 10 bytes are 3.3, and count as 3.
        Follow(new AutoConvergeSettings(Trigger: 33, Initial: 7), [(3, 10, 0), (3, 10, 0), (3, 10, 0), (4, 10, 0), (4, 10, 7)]);

    [Fact]
    public void Nothing_sent_and_nothing_dirtied_is_not_too_much() => Follow(AutoConvergeSettings.Defaults, [(0, 0, 0), (0, 0, 0), (1, 0, 0), (1, 0, 20)]);

    [Fact]
    public void Figures_beyond_all_measure_do_not_overflow() =>
        Follow(new AutoConvergeSettings(Trigger: 100), [(long.MaxValue, long.MaxValue, 0), (long.MaxValue, long.MaxValue, 0)]);

    static void Follow(AutoConvergeSettings settings, (long Dirtied, long Sent, int After)[] table)
    {
        var (state, throttle) = (new AutoConvergeState(), 0);
        for (var at = 0; at < table.Length; at++)
        {
            var (dirtied, sent, after) = table[at];
            (state, var acts) = AutoConvergeRule.Judge(state, settings.Trigger, dirtied, sent);
            if (acts) throttle = AutoConvergeRule.Next(settings, throttle, dirtied, sent);
            Assert.True(throttle == after, $"Look {at + 1}: {throttle} %, and not {after} %.");
        }
    }

    [Fact]
    public void Periods_are_longer_than_a_second_and_end_with_a_look_at_the_log()
    {
        var period = new ThrottlePeriod();
        Assert.Null(period.Look(TimeSpan.FromSeconds(5), 77, 1000));
        Assert.Null(period.Look(TimeSpan.FromSeconds(5.5), 10, 1100));
        Assert.Null(period.Look(TimeSpan.FromSeconds(6), 20, 1300));
        Assert.Equal((60, 500), period.Look(TimeSpan.FromSeconds(6.001), 30, 1500));
        Assert.Null(period.Look(TimeSpan.FromSeconds(7), 1, 1600));
        Assert.Equal((3, 400), period.Look(TimeSpan.FromSeconds(60), 2, 1900));
    }
}
