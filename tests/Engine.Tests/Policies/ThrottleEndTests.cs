using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>A throttle ends with its migration, whatever end that takes, and leaves alone what its owner asks of the guest.</summary>
public sealed class ThrottleEndTests
{
    public enum End
    {
        Completed,
        Cancelled,
        CancelledWhileStopped,
        LostLink,
        Exception,
        ExceptionWhileStopped,
        Timeout,
        ByPolicy,
    }

    public static TheoryData<End, int> Ends
    {
        get
        {
            var (data, random) = (new TheoryData<End, int>(), new Random(6));
            foreach (var end in Enum.GetValues<End>())
                for (var i = 0; i < 2; i++) data.Add(end, random.Next(1, 100));
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void However_it_ends(End end, int percent)
    {
        var own = percent % 3 == 0 ? 5 : 0;
        using var rig = Throttled(end, Math.Max(10, percent), own);
        var result = rig.Finish();
        Assert.Equal(end == End.Completed, result.State == MigrationStatus.Completed);
        Assert.Equal(own, rig.Guest.ThrottlePercent);
        Assert.Equal([0, 0], rig.Guest.Cpus.Select(cpu => cpu.MigrationThrottle));
        Assert.Contains(rig.Decided(), one => one is { What: "Throttle", From: "0 %" });
        Assert.Equal(2, result.ThrottledTime.Length);
        Assert.All(result.ThrottledTime, time => Assert.True(time > TimeSpan.Zero, $"{end} after {percent} %"));
        Assert.All(result.ThrottledTime.Zip(rig.Guest.ThrottledTime), pair => Assert.True(pair.First <= pair.Second));
        Assert.Equal(0, rig.Outgoing!.GetState().Current.ThrottlePercent);
        if (end == End.Completed) Assert.Equal(0, rig.AssertRunsOnlyThere().ThrottlePercent);
        else
        {
            rig.Guest.ThrottlePercent = 0;
            var held = rig.Guest.ThrottledTime;
            rig.AssertRunsOnlyHere();
            Assert.Equal(held, rig.Guest.ThrottledTime);
        }
    }

    static Rig Throttled(End end, int percent, int own)
    {
        List<(string, string[])> rules = [($"Throttle to {percent} %", [])];
        if (end == End.ByPolicy) rules.Add(("Cancel", ["Pass >= 2"]));
        var rig = PolicyRig.Stalling(PolicyRig.Policy([.. rules]), 1);
        rig.Guest.ThrottlePercent = own;
        if (end == End.Timeout) rig.Parameters = rig.Parameters with { Timeout = TimeSpan.FromSeconds(3) };
        var isDone = false;
        TimeSpan[]? before = null;
        rig.PhaseEntered = phase =>
        {
            before ??= rig.Guest.ThrottledTime;
            var isStopped = end is End.CancelledWhileStopped or End.ExceptionWhileStopped;
            // Once each vCPU has been held back; in the second pass or later, as it comes.
            if (isDone || rig.Guest.Cpus.Any(cpu => cpu.MigrationThrottle == 0 || cpu.ThrottledTime <= before[cpu.Index]) || phase == MigrationPhase.Finish) return;
            if (isStopped && phase == MigrationPhase.Pending) rig.Outgoing!.Complete();
            if (isStopped && phase != MigrationPhase.CompleteRam) return;
            isDone = true;
            Act(rig, end);
        };
        return rig;
    }

    static void Act(Rig rig, End end)
    {
        switch (end)
        {
            case End.Completed:
                rig.Outgoing!.Complete();
                break;
            case End.Cancelled or End.CancelledWhileStopped:
                rig.Outgoing!.Cancel(wait: false);
                break;
            case End.LostLink:
                rig.SourceEnd!.Abort();
                break;
            case End.Exception or End.ExceptionWhileStopped:
                throw new InvalidOperationException("by the test");
        }
    }

    [Fact]
    public void A_migration_that_throttles_nothing_counts_nothing()
    {
        using var rig = new Rig(TestGuests.Options(size: TestGuests.MiB));
        var result = rig.Finish();
        Assert.True(result.Verified);
        Assert.Equal([TimeSpan.Zero, TimeSpan.Zero], result.ThrottledTime);
        Assert.Equal([TimeSpan.Zero, TimeSpan.Zero], rig.Guest.ThrottledTime);
    }
}
