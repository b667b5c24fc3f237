using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Channels;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>A guest that walks through its memory, under a limit: a pass goes on elsewhere, that is told, and what arrives is the guest that stayed.</summary>
public sealed class OrderMigrationTests
{
    const long MiB = TestGuests.MiB;
    const int Ahead = 1024;

    [Theory]
    [InlineData(MigrationMeans.Adaptive, false)]
    [InlineData(MigrationMeans.Qemu, false)]
    [InlineData(MigrationMeans.Qemu, true)]
    public void A_guest_that_walks_is_met_late(MigrationMeans means, bool xbzrle)
    {
        using var rig = new Rig(Walking()) { Parameters = Limited with { Means = means, Xbzrle = xbzrle, XbzrleCacheSize = xbzrle ? 16 * MiB : 0 } };
        GoAhead(rig.Guest);
        rig.PhaseEntered = EachRound(rig.Guest, () => rig.Outgoing!, HasMoved);
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        AssertMoved(rig.Outgoing!.GetState());
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Through_channels_too()
    {
        using var rig = new ChannelRig(2, Walking());
        rig.Parameters = rig.Parameters with { MaxBandwidth = Limited.MaxBandwidth, MaxDowntime = Limited.MaxDowntime };
        GoAhead(rig.Guest);
        rig.PhaseEntered = EachRound(rig.Guest, () => rig.Outgoing!, HasMoved);
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        AssertMoved(rig.Outgoing!.GetState());
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(GuestWorkload.Random)]
    [InlineData(GuestWorkload.HotSpot)]
    public void One_that_writes_anywhere_is_sent_by_address(GuestWorkload workload)
    {
        using var rig = new Rig(Walking() with { Workload = workload }) { Parameters = Limited };
        rig.PhaseEntered = EachRound(rig.Guest, () => rig.Outgoing!, state => state.Current.Iteration >= 3);
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        Assert.DoesNotContain(rig.Outgoing!.GetState().Decisions, one => one.What == "Order of pages");
        rig.AssertRunsOnlyThere();
    }

    static MigrationParameters Limited { get; } = new() { Verify = true, MaxBandwidth = 16 * MiB, MaxDowntime = TimeSpan.FromMilliseconds(1), SettleTimeout = TimeSpan.Zero };

    /// <summary>16 MiB, all of it in use and dense.</summary>
    static GuestOptions Walking() =>
        TestGuests.Options(GuestWorkload.Sequential, 16 * MiB, processors: 1, rate: 8 * MiB) with { Content = GuestContent.Random, ContentSize = 16 * MiB };

    /// <summary>So that the sender, which begins at the first page, would meet it early.</summary>
    static void GoAhead(MemoryGuest guest)
    {
        guest.StopAtTick(Ahead);
        TestGuests.WaitForTick(guest, Ahead);
        guest.StopAtTick(null);
    }

    static bool HasMoved(MigrationState state) => state.Decisions.Any(one => one.What == "Order of pages");

    static void AssertMoved(MigrationState state)
    {
        var told = state.Decisions.First(one => one.What == "Order of pages");
        Assert.StartsWith("from page ", told.From, StringComparison.Ordinal);
        Assert.NotEqual(told.From, told.To);
        Assert.Contains("one page after the other", told.Reason, StringComparison.Ordinal);
    }

    /// <summary>In every round the vCPU gets to write, and two passes after what was waited for it ends.</summary>
    static Action<MigrationPhase> EachRound(MemoryGuest guest, Func<OutgoingMigration> outgoing, Func<MigrationState, bool> isThere)
    {
        var last = int.MaxValue;
        return phase =>
        {
            if (phase != MigrationPhase.Pending) return;
            TestGuests.WaitForTick(guest, guest.Ticks.Max() + 200);
            var state = outgoing().GetState();
            if (last == int.MaxValue && isThere(state)) last = state.Current.Iteration + 2;
            if (state.Current.Iteration >= last) outgoing().Complete();
        };
    }
}
