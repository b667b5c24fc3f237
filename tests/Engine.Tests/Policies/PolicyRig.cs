using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>Guests that do not converge by themselves, however slow this machine is.</summary>
static class PolicyRig
{
    const long MiB = TestGuests.MiB;

    /// <summary>One that writes 2 MiB again and again as fast as it can, over a link of 8 MiB/s: each pass leaves all of them, a quarter of a second.</summary>
    public static Rig Stalling(MigrationPolicy? policy, int milliseconds, bool postcopy = false)
    {
        var rig = Make(
            TestGuests.Options(GuestWorkload.Sequential, 8 * MiB, processors: 2, rate: 0) with { WorkingSet = 2 * MiB },
            new MigrationParameters { Policy = policy, MaxDowntime = TimeSpan.FromMilliseconds(milliseconds), MaxBandwidth = 8 * MiB, Postcopy = postcopy });
        // All that it writes to, between any two looks.
        rig.PhaseEntered = WritesBetweenLooks(rig, 2 * MiB / GuestMemory.PageSize / 2, most: 0);
        return rig;
    }

    /// <summary>One that would converge if it were slowed down far enough: all pages are dirty again after each pass of a second and a half.</summary>
    /// <param name="parameters">What the test asks for.</param>
    /// <param name="most">Slowed down so far, it may converge.</param>
    /// <param name="rate">Of both vCPUs, bytes/s.</param>
    public static Rig Busy(MigrationParameters parameters, int most, long rate = 40 * MiB)
    {
        var rig = Make(
            TestGuests.Options(GuestWorkload.Random, 12 * MiB, processors: 2, rate: rate) with { Content = GuestContent.Random, ContentSize = 12 * MiB },
            parameters with { MaxBandwidth = 8 * MiB });
        // About fifteen looks a pass: twice as many pages as there are.
        rig.PhaseEntered = WritesBetweenLooks(rig, 200, most - 1);
        return rig;
    }

    /// <summary>On a machine that is busy otherwise a guest may not come to write for a while, and would converge by that.</summary>
    /// <param name="rig">Whose guest is waited for.</param>
    /// <param name="pages">By each vCPU.</param>
    /// <param name="most">One that is slowed down further is not waited for.</param>
    public static Action<MigrationPhase> WritesBetweenLooks(Rig rig, long pages, int most)
    {
        var before = rig.Guest.Ticks;
        return phase =>
        {
            if (phase != MigrationPhase.Pending) return;
            Patience.Until(() => rig.Guest.ThrottlePercent > most || rig.Guest.Ticks.Zip(before).All(pair => pair.First >= pair.Second + pages), "the guest to write");
            before = rig.Guest.Ticks;
        };
    }

    public static Rig Make(GuestOptions options, MigrationParameters parameters)
    {
        var rig = new Rig(options);
        rig.Parameters = parameters with
        {
            Means = MigrationMeans.Qemu, Verify = !parameters.Postcopy, AnswerTimeout = TimeSpan.FromSeconds(20), SettleTimeout = TimeSpan.Zero,
        };
        rig.Guest.Resume();
        return rig;
    }

    public static MigrationPolicy Policy(params (string Then, string[] When)[] rules) => new()
    {
        Name = "test",
        Rules =
        [
            .. rules.Select(rule => new PolicyRule
            {
                Then = PolicyAction.Parse(rule.Then), When = [.. rule.When.Select(PolicyCondition.Parse)],
                At = rule.Then == "AutoConverge" ? PolicyMoment.PassEnd : PolicyMoment.AnyTime,
            }),
        ],
    };

    /// <summary>What was decided by a policy.</summary>
    public static MigrationDecision[] Decided(this Rig rig) => [.. rig.Outgoing!.GetState().Decisions.Where(one => one.Policy.Length > 0)];

    /// <summary>Nothing of a throttle is left, at either end.</summary>
    public static void AssertUnthrottled(this Rig rig)
    {
        Assert.Equal(0, rig.Guest.ThrottlePercent);
        if (rig.Arrived is { } arrived) Assert.Equal(0, arrived.ThrottlePercent);
    }
}
