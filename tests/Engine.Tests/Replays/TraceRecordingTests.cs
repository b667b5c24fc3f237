using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Replays;

/// <summary>Migrations that leave a trace: it says what they did, and they do nothing else than without.</summary>
public sealed class TraceRecordingTests
{
    const long MiB = TestGuests.MiB;

    [Fact]
    public void A_trace_says_what_the_passes_were()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: 0) with { WorkingSet = 4 * MiB });
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Iterations.Length >= 4, "passes");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var state = outgoing.GetState();
        var trace = state.Trace!;
        var passes = state.Iterations.Where(one => !one.IsFinal).ToArray();
        Assert.Equal(passes.Length, trace.Passes.Length);
        Assert.Equal((rig.Guest.Name, 16 * MiB, 2, TraceSource.Memory), (trace.Name, trace.TotalBytes, trace.Processors, trace.Source));
        Assert.Equal(passes.Select(one => (one.Iteration, one.Bytes, one.RemainingBytes, one.DirtyPages)), trace.Passes.Select(one => (one.Number, one.Bytes, one.RemainingBytes, one.DirtyPages)));
        Assert.Equal(passes[^1].NormalPages, trace.Passes.Sum(one => one.NormalPages));
        Assert.Equal((result.TotalTime, result.TransferredBytes, result.Downtime - result.DowntimeParts.Verify), (trace.Outcome.TotalTime, trace.Outcome.TransferredBytes, trace.Outcome.Downtime));
        Assert.All(trace.Passes, pass => CheckPass(trace, pass));
        rig.AssertRunsOnlyThere();
    }

    static void CheckPass(MigrationTrace trace, TracePass pass)
    {
        Assert.Equal((trace.UsedPages.Length, trace.UsedPages.Length), (pass.Found.Length, pass.Looked.Length));
        // A page that was written before and after the look is found twice, and is dirty once.
        Assert.InRange(pass.DirtyPages, 0, pass.Found.Sum() + pass.Looked.Sum());
        Assert.True(pass.Busy <= pass.Duration + TimeSpan.FromSeconds(1));
        Assert.True(pass.Written.Sum() > 0);
        Assert.All(pass.Held, time => Assert.Equal(TimeSpan.Zero, time));
        for (var region = 0; region < pass.Found.Length; region++)
        {
            Assert.InRange(pass.Found[region], 0, trace.PagesOf(region));
            if (pass.WasLookedAt(region)) Assert.InRange(pass.LookedAt[region], 0, pass.Duration.TotalSeconds);
            // Each vCPU has half of the working set, and writes nowhere else.
            if (region * trace.RegionPages >= 4 * MiB / GuestMemory.PageSize) Assert.Equal((0, 0), (pass.Found[region], pass.Looked[region]));
        }
        var curve = pass.Curve;
        Assert.Equal(pass.Duration, curve[^1].Interval);
        Assert.All(curve, point => Assert.InRange(point.Bytes, 0, pass.DirtyPages * (double)GuestMemory.PageSize));
    }

    [Fact]
    public void What_is_found_is_what_was_written()
    {
        // One that stands writes nothing while it goes; between passes the test writes for it.
        using var rig = Recording(TestGuests.Options(GuestWorkload.Idle, 8 * MiB) with { Content = GuestContent.Random, ContentSize = 8 * MiB });
        var parts = 0;
        rig.PhaseEntered = phase =>
        {
            if (phase != MigrationPhase.Iterate || parts++ > 1) return;
            // Before anything went: at either end of the memory. After it: where the sender has been, something that it has sent before.
            for (var page = 0; page < (parts == 1 ? 10 : 1); page++) Write(rig.Guest.Memory.Ram, page);
            for (var page = rig.Guest.Memory.Ram.Pages - 20; page < rig.Guest.Memory.Ram.Pages && parts == 1; page++) Write(rig.Guest.Memory.Ram, page);
        };
        rig.Parameters = rig.Parameters with { MaxDowntime = TimeSpan.FromMilliseconds(1) };
        Assert.True(rig.Finish().Verified);
        var first = rig.Outgoing!.GetState().Trace!.Passes[0];
        Assert.Equal((30, 1), (first.Looked.Sum(), first.Found.Sum()));
        Assert.Equal((10, 1, 20), (first.Looked[0], first.Found[0], first.Looked[^1]));
        Assert.Equal(30, first.DirtyPages);
    }

    [Fact]
    public void The_wire_is_the_same_with_and_without()
    {
        var options = TestGuests.Options(GuestWorkload.Idle, 16 * MiB);
        var (without, with) = (Sent(options, records: false), Sent(options, records: true));
        Assert.Equal((without.Normal, without.Zero), (with.Normal, with.Zero));
        // In how many parts pages go is up to the machine.
        Assert.InRange((double)with.Bytes / without.Bytes, 0.99, 1.01);

        static (long Bytes, long Normal, long Zero) Sent(GuestOptions options, bool records)
        {
            using var rig = new Rig(options);
            rig.Parameters = rig.Parameters with { RecordTrace = records };
            rig.Guest.Resume();
            var result = rig.Finish();
            Assert.Equal(records, rig.Outgoing!.GetState().Trace is not null);
            var last = rig.Outgoing.GetState().Iterations[^1];
            return (result.TransferredBytes, last.NormalPages, last.ZeroPages);
        }
    }

    [Fact]
    public void A_throttle_is_told_as_the_time_that_vCPUs_were_held_back()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Random, 12 * MiB, rate: 0) with { Content = GuestContent.Random, ContentSize = 12 * MiB });
        rig.Parameters = rig.Parameters with
        {
            Policy = new MigrationPolicy { Name = "slow", Rules = [new PolicyRule { When = [PolicyCondition.Parse("Pass >= 1")], Then = PolicyAction.Parse("Throttle to 80 %") }] },
        };
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Iterations.Length >= 3, "passes");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        var trace = outgoing.GetState().Trace!;
        Assert.All(trace.Passes[0].Held, time => Assert.Equal(TimeSpan.Zero, time));
        Assert.All(trace.Passes.Skip(1), pass => Assert.Equal(80, pass.ThrottlePercent));
        Assert.True(trace.Passes[1].Held.Min() > TimeSpan.Zero);
        Assert.Equal("slow", trace.Parameters.Policy!.Name);
        Assert.Contains(trace.Decisions, one => one.Policy == "slow");
    }

    [Fact]
    public void What_went_while_the_guest_stood_is_what_went_after_its_stop()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Idle, 16 * MiB) with { Content = GuestContent.Random, ContentSize = 16 * MiB });
        var parts = 0;
        rig.PhaseEntered = phase =>
        {
            // In the midst of the first pass, of which much has gone and much has not.
            if (phase == MigrationPhase.Iterate && ++parts == 4) rig.Outgoing!.Complete();
        };
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var state = rig.Outgoing!.GetState();
        Assert.Equal(16 * MiB / GuestMemory.PageSize, state.Iterations[^1].Pages);
        Assert.InRange(state.Trace!.Outcome.FinalPages, 1, state.Iterations[^1].Pages - 256);
    }

    [Fact]
    public void Without_being_asked_nothing_is_kept()
    {
        using var rig = new Rig();
        rig.Guest.Resume();
        rig.Finish();
        Assert.Null(rig.Outgoing!.GetState().Trace);
        Assert.All(rig.Outgoing.GetState().Iterations, one => Assert.Null(one.Notes));
    }

    [Fact]
    public void One_that_failed_is_told_as_far_as_it_came()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: 0));
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Iterations.Length >= 1, "a pass");
        outgoing.Cancel(wait: true);
        rig.Finish();
        var trace = outgoing.GetState().Trace!;
        Assert.Equal(MigrationStatus.Cancelled, trace.Outcome.State);
        Assert.NotEmpty(trace.Passes);
        var rows = MigrationReplays.Compare(MigrationTrace.FromJson(trace.ToJson()), MigrationPolicy.BuiltIn).ToArray();
        Assert.Equal(MigrationPolicy.BuiltIn.Length + 1, rows.Length);
        Assert.Equal(ReplayEnd.Cancelled, rows[0].End);
    }

    [Fact]
    public void Limits_that_were_changed_on_the_way_are_in_it()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: 0));
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Iterations.Length >= 1, "a pass");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        var trace = MigrationTrace.FromJson(outgoing.GetState().Trace!.ToJson());
        Assert.Contains(trace.Decisions, one => one is { What: "MaxDowntime", Reason: "Set-Migration was called." });
        var actual = MigrationReplays.Compare(trace, []).Single();
        Assert.Null(actual.ModelError);
        Assert.Contains(actual.Assumptions, words => words.Contains("Set-Migration changed limits (MaxDowntime from 20 ms to 100 s after", StringComparison.Ordinal));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_postcopy_is_told_up_to_where_it_goes_over()
    {
        using var rig = Recording(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: 0) with { WorkingSet = MiB });
        rig.Parameters = rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Hybrid };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        var trace = rig.Outgoing!.GetState().Trace!;
        Assert.Single(trace.Passes);
        Assert.True(trace.Outcome.WentOver);
        Assert.NotNull(trace.Outcome.StalledTime);
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu")]).ToArray();
        Assert.Equal(ReplayEnd.WentOver, rows[0].End);
        Assert.NotNull(rows[0].ModelError);
        rig.AssertRunsOnlyThere();
    }

    static Rig Recording(GuestOptions options)
    {
        var rig = new Rig(options);
        rig.Parameters = rig.Parameters with
        {
            RecordTrace = true, MaxBandwidth = 16 * MiB, MaxDowntime = TimeSpan.FromMilliseconds(20), Means = MigrationMeans.Qemu,
        };
        rig.Guest.Resume();
        return rig;
    }

    static unsafe void Write(RamBlock ram, long page)
    {
        *ram.PageForWrite(page) ^= 1;
        ram.Wrote(page);
    }
}
