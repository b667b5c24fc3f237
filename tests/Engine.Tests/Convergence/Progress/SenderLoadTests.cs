using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What the sending thread does with its time.</summary>
public sealed class SenderLoadTests
{
    [Fact]
    public void Without_time_there_is_no_load() => Assert.Null(SenderLoad.Of(0, 0, 0, 0, null, 0));

    [Fact]
    public void Copying_in_a_write_is_work_and_the_rest_of_it_waiting()
    {
        var load = SenderLoad.Of(wall: 2, processor: 0.5, asleep: 0.1, writing: 1.8, receiver: 0.9, busy: 1)!.Value;
        Assert.Equal(0.25, load.Working, 1e-9);
        Assert.Equal(0.7, load.Blocked, 1e-9);
        Assert.Equal(0.9, load.Receiver!.Value, 1e-9);
        Assert.True(load.IsReceiverSlow);
        Assert.False(load.IsSourceBusy);
    }

    [Fact]
    public void One_that_is_not_in_a_write_waits_for_no_link()
    {
        // On a machine that is busy it waits for a processor.
        var load = SenderLoad.Of(1, 0.3, 0, 0.1, 1, 1)!.Value;
        Assert.Equal(0.1, load.Blocked, 1e-9);
        Assert.False(load.IsReceiverSlow || load.IsSourceBusy);
    }

    [Fact]
    public void A_thread_that_never_waits_is_what_holds_it_up() => Assert.True(SenderLoad.Of(1, 0.97, 0, 0.5, 0, 0.5)!.Value.IsSourceBusy);

    /// <summary>On average the four channels do what is given; the thread that gives, and the processors of the machine.</summary>
    [Theory]
    [InlineData(0.3, 0.2, 8, false)]
    // Each channel works as long as it can.
    [InlineData(0.9, 0.2, 8, true)]
    // They wait for the one that gives.
    [InlineData(0.3, 0.95, 8, true)]
    // There are processors for two of them only.
    [InlineData(0.45, 0.05, 2, true)]
    // With the one that gives they have all that there are.
    [InlineData(0.35, 0.5, 2, true)]
    [InlineData(0.35, 0.2, 2, false)]
    public void Of_channels_whoever_always_works_holds_the_others_up(double working, double giver, int processors, bool isBusy)
    {
        var load = new SenderLoad(working, 0.1, 0).OfChannels(new SenderLoad(giver, 0, 0), 4, processors);
        Assert.Equal((isBusy, 4, 0.1), (load.IsSourceBusy, load.Channels, load.Blocked));
        Assert.InRange(load.Working, working, 1);
    }

    [Fact]
    public void A_link_that_can_not_tell_accuses_nobody()
    {
        Assert.False(SenderLoad.Of(1, 0.05, 0, 0.95, null, 0)!.Value.IsReceiverSlow);
        Assert.Null(SenderLoad.Of(1, 0.05, 0, 0.95, 0, 0)!.Value.Receiver);
    }
}
