using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>What a migration tells about itself: phases in the order of the diagram, passes, figures that add up.</summary>
public sealed class PhaseTests
{
    static readonly MigrationPhase[] Loop = [MigrationPhase.Pending, MigrationPhase.Iterate, MigrationPhase.DetectError, MigrationPhase.UpdateCounters];

    [Fact]
    public void The_phases_come_in_the_order_of_the_diagram()
    {
        using var rig = new Rig();
        var entered = new List<MigrationPhase>();
        rig.PhaseEntered = entered.Add;
        Assert.True(rig.Finish().Verified);
        var iteration = entered.IndexOf(MigrationPhase.Iteration);
        Assert.Equal([MigrationPhase.Connect, MigrationPhase.Header, MigrationPhase.Ping, MigrationPhase.Setup, MigrationPhase.SetState], entered[..iteration]);
        var completion = entered.IndexOf(MigrationPhase.Completion);
        Assert.Equal(
            [
                MigrationPhase.Completion, MigrationPhase.StopGuest, MigrationPhase.CompletePrecopy, MigrationPhase.SyncCpus,
                MigrationPhase.CompleteRam, MigrationPhase.SaveDevices, MigrationPhase.Finish,
            ],
            entered[completion..]);
        // Rounds of the loop: 5, 5.1, 5.2, 6, 7; the last one ends with 5.1.
        var rounds = entered[iteration..completion];
        for (var i = 0; i < rounds.Count; i++)
            Assert.Equal(i % 5 == 0 ? MigrationPhase.Iteration : Loop[(i % 5) - 1], rounds[i]);
        Assert.Equal(2, rounds.Count % 5);
        AssertRecord(rig, entered);
    }

    static void AssertRecord(Rig rig, List<MigrationPhase> entered)
    {
        var record = rig.Outgoing!.GetState().Phases;
        Assert.Equal(entered.Distinct(), record.Select(phase => phase.Phase));
        foreach (var phase in record)
        {
            Assert.Equal(entered.Count(one => one == phase.Phase), phase.Count);
            Assert.False(phase.IsOpen);
            Assert.Equal(MigrationPhases.Number(phase.Phase), phase.Number);
            Assert.True(phase.Duration >= TimeSpan.Zero && phase.Start >= TimeSpan.Zero);
        }
        // An inner phase takes no longer than the one around it.
        TimeSpan Of(MigrationPhase phase) => record.Single(one => one.Phase == phase).Duration;
        Assert.True(Of(MigrationPhase.Completion) >= Of(MigrationPhase.CompletePrecopy));
        Assert.True(Of(MigrationPhase.CompletePrecopy) >= Of(MigrationPhase.CompleteRam) + Of(MigrationPhase.SaveDevices));
        Assert.True(Of(MigrationPhase.Iteration) >= Of(MigrationPhase.Pending) + Of(MigrationPhase.Completion));
    }

    [Theory]
    [InlineData(400 * TestGuests.MiB, 0)]
    [InlineData(TestGuests.MiB, 32 * TestGuests.MiB)]
    public void The_iterations_add_up_to_the_whole(long rate, long maxBandwidth)
    {
        // No part of zeros, which would go all at once however slow the link is.
        using var rig = new Rig(TestGuests.Options(rate: rate) with { ContentSize = 16 * TestGuests.MiB });
        rig.Parameters = rig.Parameters with { MaxBandwidth = maxBandwidth };
        var result = rig.Finish();
        Assert.True(result.Verified);
        var iterations = rig.Outgoing!.GetState().Iterations;
        Assert.Equal(Enumerable.Range(1, iterations.Length), iterations.Select(one => one.Iteration));
        Assert.All(iterations.SkipLast(1), one => Assert.False(one.IsFinal));
        var last = iterations[^1];
        Assert.True(last.IsFinal);
        Assert.Same(result, last.Result);
        Assert.Equal(0, last.RemainingBytes);
        Assert.Equal(result.TransferredBytes, last.TransferredBytes);
        Assert.Equal(
            last.NormalPages + last.ZeroPages + last.SparsePages + last.XbzrlePages - (last.Xbzrle?.Overflow ?? 0), iterations.Sum(one => one.Pages));
        Assert.True(iterations.Sum(one => one.Bytes) <= last.TransferredBytes);
        // A pass ends with a look at the log, as soon as what is left of it would fit the downtime: what it has not sent comes in the next.
        var first = iterations[0];
        var left = first.RemainingBytes / GuestMemory.PageSize;
        var pages = rig.Options.MemorySize / GuestMemory.PageSize;
        // Of what the guest dirtied, that goes once more which went before it was dirtied; the rest was taken out of the log and went with it.
        Assert.InRange(first.Pages + left, pages, pages + first.DirtyPages);
        if (maxBandwidth > 0) Assert.True(first.Pages < pages);
        Assert.All(iterations, one => Assert.Equal(one.TransferredBytes, one.Qemu.Transferred));
        Assert.Equal(result.Downtime, result.DowntimeParts.Total);
        Assert.Equal((last.NormalPages + last.SparsePages, last.ZeroPages), (rig.Arrival!.NormalPages, rig.Arrival.ZeroPages));
        Assert.Equal(rig.SourceEnd!.BytesSent, rig.DestinationEnd!.BytesReceived);
        Assert.Equal(result.TransferredBytes, rig.SourceEnd.BytesSent);
    }

    [Fact]
    public void Iterations_are_taken_as_they_come_each_once_and_the_last_is_final()
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        var host = TestGuests.UniqueName("there");
        var migration = Migration.Start(guest, Engine.Transport.MigrationUri.Parse($"local:{host}"), new MigrationParameters { Verify = true });
        var taken = new List<MigrationIteration>();
        while (migration.HasMoreIterations)
            if (migration.TryTakeIteration(out var iteration, Patience.Limit)) taken.Add(iteration);
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(Enumerable.Range(1, taken.Count), taken.Select(one => one.Iteration));
        Assert.Same(taken[^1], taken.Single(one => one.IsFinal));
        Assert.True(taken[^1].Result!.Verified);
        Assert.All(taken, one => Assert.Equal((migration.Id, options.Name), (one.Id, one.Name)));
        Assert.False(migration.TryTakeIteration(out _, TimeSpan.Zero));
        Assert.Same(migration, MigrationRegistry.Find(migration.Id));
        Reference.AssertIntact(options, Assert.Single(TestGuests.On(host)));
        TestGuests.RemoveAll(host);
    }

    [Fact]
    public void The_state_can_be_read_at_any_time_and_percent_never_goes_back()
    {
        using var rig = new Rig(TestGuests.Options(rate: 400 * TestGuests.MiB));
        var percents = new List<int>();
        rig.PhaseEntered = _ =>
        {
            var state = rig.Outgoing!.GetState();
            Assert.InRange(state.Current.RemainingBytes, 0, rig.Options.MemorySize);
            if (state.PercentComplete is { } percent) percents.Add(percent);
        };
        Assert.True(rig.Finish().Verified);
        Assert.Equal(percents.Order(), percents);
        Assert.All(percents, percent => Assert.InRange(percent, 0, 99));
        Assert.Equal(100, rig.Outgoing!.GetState().PercentComplete);
    }
}
