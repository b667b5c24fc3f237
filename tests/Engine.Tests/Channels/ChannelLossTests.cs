using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>A channel breaks, stalls, comes late or is refused; or the user gives up. The guest stays, and the error says why.</summary>
public sealed class ChannelLossTests
{
    // All flushes of all channels counted: two inits, two times SYNC at setup, then packets.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(9)]
    [InlineData(14)]
    [InlineData(21)]
    [InlineData(33)]
    public void A_channel_that_is_cut_leaves_the_guest_here(int flush)
    {
        // Pages with content: their first pass alone takes as many packets, whether the guest finds time to write or not.
        using var rig = new ChannelRig(2, TestGuests.Options() with { Content = GuestContent.Random, ContentSize = 16 * TestGuests.MiB });
        var flushes = 0;
        rig.TapFor = number => number == 0 ? null : (link, _) =>
        {
            if (Interlocked.Increment(ref flushes) == flush) link.Abort();
        };
        var result = rig.Finish();
        Assert.Equal(MigrationStatus.Failed, result.State);
        // This end has seen it, or the other one first.
        Assert.Contains(result.Error!.Id, new[] { MigrationErrorId.ConnectionLost, MigrationErrorId.UnexpectedEnd });
        Assert.Equal(MigrationSide.Link, result.Error.Side);
        Assert.NotNull(result.Error.Phase);
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(20)]
    public void A_channel_that_the_receiver_loses_does_so_too(int flush)
    {
        using var rig = new ChannelRig(3);
        var flushes = 0;
        rig.TapFor = number => number == 0 ? null : (_, _) =>
        {
            if (Interlocked.Increment(ref flushes) == flush) rig.Links[number].Destination.Abort();
        };
        var result = rig.Finish();
        Assert.Equal(MigrationStatus.Failed, result.State);
        Assert.Contains(result.Error!.Side, new[] { MigrationSide.Link, MigrationSide.Destination });
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(MigrationPhase.Header)]
    [InlineData(MigrationPhase.Setup)]
    [InlineData(MigrationPhase.Iterate)]
    [InlineData(MigrationPhase.CompleteRam)]
    public void A_cancel_ends_it_and_the_guest_runs_on_here(MigrationPhase where)
    {
        using var rig = new ChannelRig(4);
        rig.PhaseEntered = phase =>
        {
            if (phase == where) rig.Outgoing!.Cancel(wait: false);
        };
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_cancel_wakes_all_that_wait_for_links_that_nobody_reads()
    {
        using var main = new FakeDestination(isQemu: true);
        var guest = FullGuest();
        try
        {
            var migration = new OutgoingMigration(0, guest, "stuck", new MigrationParameters { Channels = 2, PeerVersion = new(7, 2) }, new UnreadChannels(main).Connect);
            migration.Start();
            // It can't come to an end of that.
            Patience.Until(() => migration.GetState().Phase == MigrationPhase.Iterate, "pages are on their way");
            Assert.Equal(CancelOutcome.Cancelled, migration.Cancel(wait: true).Outcome);
            Assert.Equal(GuestState.Running, guest.State);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [Fact]
    public void A_channel_that_takes_nothing_is_given_up()
    {
        using var main = new FakeDestination(isQemu: true);
        var guest = FullGuest();
        try
        {
            var parameters = new MigrationParameters { Channels = 2, PeerVersion = new(7, 2), AnswerTimeout = TimeSpan.FromSeconds(3) };
            var migration = new OutgoingMigration(0, guest, "stalled", parameters, new UnreadChannels(main).Connect);
            migration.Start();
            Assert.True(migration.Wait(Patience.Limit), "A channel that takes nothing is waited for.");
            Assert.Equal((MigrationErrorId.PeerSilent, MigrationSide.Link), (migration.Result!.Error!.Id, migration.Result.Error.Side));
            Assert.Equal((GuestLocation.Source, GuestState.Running), (migration.Result.Location, guest.State));
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [Fact]
    public void Channels_that_come_before_the_main_stream_and_in_any_order_find_it()
    {
        using var rig = new ChannelRig(5);
        rig.Arriving = (links, number) =>
        {
            if (number < 5) return;
            foreach (var one in new[] { 3, 5, 1, 4, 0, 2 }) links.Serve(one);
        };
        rig.Finish();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void One_that_can_not_be_connected_closes_all_before_it()
    {
        using var rig = new ChannelRig(3);
        rig.Arriving = (links, number) =>
        {
            if (number == 2) throw new MigrationException(MigrationErrorId.ConnectTimeout, MigrationSide.Link, "No connection.");
            links.Serve(number);
        };
        var result = rig.Finish();
        Assert.Equal((MigrationErrorId.ConnectTimeout, MigrationPhase.Connect), (result.Error!.Id, result.Error.Phase));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void One_that_the_other_end_closes_at_once_ends_it()
    {
        using var rig = new ChannelRig(3);
        rig.Arriving = (links, number) =>
        {
            if (number == 2) links.Links[number].Destination.Dispose();
            else links.Serve(number);
        };
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, MigrationSide.Link), (result.State, result.Error!.Side));
        rig.AssertRunsOnlyHere();
    }

    // More than the links hold.
    static MemoryGuest FullGuest() => TestGuests.Create(
        TestGuests.Options(GuestWorkload.Idle, 32 * TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 32 * TestGuests.MiB });
}
