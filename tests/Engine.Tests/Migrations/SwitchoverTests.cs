using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Between "stopped" and "runs there": what leaves, in how many pieces, and what is allocated.</summary>
public sealed class SwitchoverTests
{
    // A vCPU that writes a page now and then: a small remainder.
    static GuestOptions Quiet() => TestGuests.Options(GuestWorkload.Random, size: 4 * TestGuests.MiB, rate: 64 << 10);

    [Fact]
    public void All_that_is_left_leaves_in_one_flush_and_RUN_in_another()
    {
        using var rig = new Rig(Quiet());
        var (hasStopped, flushes) = (false, new List<byte[]>());
        rig.PhaseEntered = phase => hasStopped |= phase == MigrationPhase.StopGuest;
        rig.SourceTap = (_, leaving) =>
        {
            if (hasStopped) flushes.Add(leaving.ToArray());
        };
        Assert.True(rig.Finish().Verified);
        Assert.Equal(2, flushes.Count);
        Assert.Equal([(byte)RecordType.Command, (byte)((ushort)CommandType.SwitchoverStart >> 8), (byte)CommandType.SwitchoverStart], flushes[0][..3]);
        Assert.Equal("]}"u8.ToArray(), flushes[0][^2..]);
        Assert.True(Leaving.IsRun(flushes[1]));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void To_a_QEMU_leave_is_given_between_the_state_and_the_last_bytes()
    {
        using var rig = new Rig(Quiet());
        rig.Parameters = rig.Parameters with { Verify = false };
        using var fake = new FakeDestination(isQemu: true);
        var (hasStopped, flushes, late) = (false, new List<byte[]>(), new List<CancelOutcome>());
        OutgoingMigration? outgoing = null;
        outgoing = new OutgoingMigration(0, rig.Guest, "fake", rig.Parameters, cancel => new TapConnection(fake.Connect(cancel), (_, leaving) =>
        {
            if (!hasStopped) return;
            flushes.Add(leaving.ToArray());
            if (flushes.Count == 2) late.Add(outgoing!.Cancel(wait: false).Outcome);
        }))
        { PhaseEntered = phase => hasStopped |= phase == MigrationPhase.StopGuest };
        outgoing.Start();
        Assert.True(outgoing.Wait(Patience.Limit));
        fake.Join();
        Assert.Equal(MigrationStatus.Completed, outgoing.Result!.State);
        Assert.Equal(2, flushes.Count);
        Assert.Equal([(byte)RecordType.Eof, (byte)RecordType.VmDescription], flushes[1][..2]);
        Assert.Equal([CancelOutcome.TooLate], late);
        Assert.Equal(rig.Guest.Digest(), fake.Digest);
    }

    [Fact]
    public void RUNNING_and_SHUT_leave_together()
    {
        using var rig = new Rig(Quiet());
        var last = Array.Empty<byte>();
        rig.DestinationTap = (_, leaving) => last = leaving.ToArray();
        Assert.True(rig.Finish().Verified);
        Assert.Equal(ReturnPathType.Running, Leaving.TypeOf(last));
        Assert.Equal(4 + 8 + 4 + 4, last.Length);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void The_description_has_a_subsection_that_came_up_while_the_guest_migrated()
    {
        using var rig = new Rig(Quiet());
        rig.PhaseEntered = phase =>
        {
            if (phase != MigrationPhase.Completion) return;
            rig.Guest.Suspend();
            rig.Guest.Resume();
        };
        var flushes = new List<string>();
        rig.SourceTap = (_, leaving) => flushes.Add(System.Text.Encoding.Latin1.GetString(leaving));
        var before = rig.Guest.Counter.Resumes;
        Assert.True(rig.Finish().Verified);
        Assert.Equal(before + 1, rig.Arrived!.Counter.Resumes);
        Assert.Contains("\"vmsd_name\":\"psmigrate/counter/resumes\"", flushes[^2], StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void The_source_allocates_nothing_while_the_guest_stands()
    {
        // What the runtime allocates while it compiles comes once; garbage of the switch-over would come each time.
        var least = Enumerable.Range(0, 6).Min(_ => AllocatedAtSource());
        Assert.Equal(0, least);
    }

    static long AllocatedAtSource()
    {
        var options = Quiet();
        var guest = TestGuests.Create(options);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), Uri = MigrationUri.Parse("tcp:127.0.0.1:0") });
        long before = 0, after = 0;
        var migration = Migration.Start(guest, receiver.Uri, new MigrationParameters(), phase =>
        {
            if (phase == MigrationPhase.StopGuest) before = GC.GetAllocatedBytesForCurrentThread();
            if (phase == MigrationPhase.Finish) after = GC.GetAllocatedBytesForCurrentThread();
        });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.State == MigrationStatus.Completed, migration.Result.ToString());
        var arrived = Assert.Single(TestGuests.On(receiver.HostName));
        Reference.AssertIntact(options, arrived);
        TestGuests.RemoveAll(options.Host, receiver.HostName);
        return after - before;
    }

    [Fact]
    public void The_destination_allocates_little_more_than_the_guest_while_it_loads_and_less_to_start_it()
    {
        var runs = Enumerable.Range(0, 6).Select(_ => AllocatedAtDestination()).ToList();
        // Two vCPUs and their state with ten fields each, the guest, the names of five sections, READY.
        Assert.InRange(runs.Min(run => run.Load), 0, 12 << 10);
        // Its places in the registry and in the ledger, RUNNING and SHUT.
        Assert.InRange(runs.Min(run => run.Start), 0, 1 << 10);
    }

    static (long Load, long Start) AllocatedAtDestination()
    {
        using var rig = new Rig(Quiet());
        rig.Parameters = rig.Parameters with { Verify = false };
        long pong = 0, ready = 0, running = 0;
        rig.DestinationTap = (_, leaving) =>
        {
            var now = GC.GetAllocatedBytesForCurrentThread();
            switch (leaving.TypeOf())
            {
                // The last one, before the guest stops.
                case ReturnPathType.Pong: pong = now; break;
                case ReturnPathType.Ready: ready = now; break;
                case ReturnPathType.Running: running = now; break;
            }
        };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        rig.AssertRunsOnlyThere();
        return (ready - pong, running - ready);
    }
}
