using System.Diagnostics;
using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Who holds a migration up, by what its sending thread and its link say.</summary>
public sealed class BottleneckTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_destination_that_takes_little_is_what_holds_it_up(int channels)
    {
        if (!OperatingSystem.IsLinux()) return;
        var options = TestGuests.Options(GuestWorkload.Idle, 128 * TestGuests.MiB, rate: 0) with { Content = GuestContent.Random, ContentSize = 0 };
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        using var link = new FaultProxy(receiver.Uri, forward: new LinkFault { Rate = 4 * TestGuests.MiB }) { Struck = 0 };
        try
        {
            var migration = Migration.Start(TestGuests.Create(options), link.Uri, new MigrationParameters { Channels = channels, Peer = channels > 0 ? PeerKind.PsMigrate : default });
            Patience.Until(() => migration.GetState().Bottleneck == MigrationBottleneck.ReceiverSlow, "the destination to be seen as slow");
            Assert.Contains("The destination takes", migration.GetState().Advice, StringComparison.Ordinal);
            migration.Cancel();
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, receiver.HostName);
        }
    }

    [Fact]
    public void A_limit_comes_with_the_one_that_would_do_and_what_would_come_of_it()
    {
        // Dirties all it has at ten times the limit.
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Random, 16 * TestGuests.MiB, rate: 100 * TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 0 })
        {
            Parameters = new() { Verify = true, MaxBandwidth = 20 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(100), Means = MigrationMeans.Qemu, Policy = BuiltInPolicies.Qemu },
        };
        rig.Start();
        MigrationState state = null!;
        Patience.Until(() => (state = rig.Outgoing!.GetState()).Current.Iteration > 2 && state.Levers.Length > 0, "levers");
        Assert.All(state.Levers, lever => Assert.True(lever.Remaining > TimeSpan.Zero && lever.TotalTime > lever.Remaining));
        Assert.Contains(state.Levers, lever => state.Advice.Contains(lever.Setting, StringComparison.Ordinal));
        Assert.Contains("ends in", state.Advice, StringComparison.Ordinal);
        // Not found anew as long as the pass is the same.
        var again = rig.Outgoing!.GetState();
        Assert.True(again.Current.Iteration != state.Current.Iteration || ReferenceEquals(state.Levers, again.Levers) || again.Current.Duration > TimeSpan.FromSeconds(1));
        rig.Outgoing.SetLimits(new MigrationLimits(TimeSpan.FromSeconds(1000), 0, null));
        Assert.True(rig.Finish().Verified);
        Assert.Empty(rig.Outgoing.GetState().Levers);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_thread_that_works_uses_its_processor_and_one_that_sleeps_does_not()
    {
        if (!OperatingSystem.IsLinux()) return;
        Patience.Within(() =>
        {
            var (began, clock) = (ThreadTime.Now!.Value, Stopwatch.StartNew());
            var sum = 0u;
            while (ThreadTime.Now - began < TimeSpan.FromMilliseconds(20)) sum = (sum * 31) + 1;
            Assert.True(clock.Elapsed >= TimeSpan.FromMilliseconds(20));
            began = ThreadTime.Now!.Value;
            Thread.Sleep(100);
            Assert.True(ThreadTime.Now - began < TimeSpan.FromMilliseconds(100));
            return sum;
        }, "a thread to work for 20 ms");
    }

    [Fact]
    public void A_thread_that_does_not_come_back_is_in_a_write()
    {
        if (!OperatingSystem.IsLinux()) return;
        var (meter, link) = (new LoadMeter(), new StuckLink());
        Assert.Null(meter.Load(link));
        meter.Look(link);
        Patience.Until(() => meter.Load(link) is { IsReceiverSlow: true, IsSourceBusy: false }, "a write to be seen");
    }

    [Fact]
    public void A_thread_that_sleeps_for_a_limit_waits_for_nobody()
    {
        if (!OperatingSystem.IsLinux()) return;
        var (meter, link) = (new LoadMeter(), new StuckLink());
        var clock = Stopwatch.StartNew();
        var slept = TimeSpan.Zero;
        Patience.Until(() =>
        {
            // All the time since the last look.
            var now = clock.Elapsed;
            meter.Sleep(now - slept);
            slept = now;
            meter.Look(link);
            return meter.Load(link) is not null;
        }, "the load");
        Assert.False(meter.Load(link)!.Value.IsReceiverSlow);
    }

    /// <summary>A write to it never ends.</summary>
    sealed class StuckLink : IConnection
    {
        readonly long _began = Stopwatch.GetTimestamp();

        public LinkWaits Waits => LinkWaits.WithoutLink(Stopwatch.GetElapsedTime(_began));

        public PipeReader Input => throw new NotSupportedException();

        public PipeWriter Output => throw new NotSupportedException();

        public long BytesSent => 0;

        public long BytesReceived => 0;

        public string Peer => "stuck";

        public void Abort()
        {
        }

        public void EndInput()
        {
        }

        public void Dispose()
        {
        }
    }
}
