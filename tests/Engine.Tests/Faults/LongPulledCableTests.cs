using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>By itself, so that it waits beside others.</summary>
public sealed class LongPulledCableTests
{
    [NetworkFact]
    public void Out_for_half_a_minute_and_with_a_limit_above_that_it_goes_on()
    {
        using var net = new NetworkRig(TimeSpan.FromMinutes(3));
        net.StartFirstPass();
        net.Network.IsUp = false;
        Thread.Sleep(30_000);
        net.Network.IsUp = true;
        net.LetEnd();
        Assert.True(net.Rig.Outgoing!.Wait(Patience.Limit), "It does not go on.");
        Assert.True(net.Rig.Outgoing.Result!.Verified, $"{net.Rig.Outgoing.Result.Error}");
        net.Rig.Finish();
        net.Rig.AssertRunsOnlyThere();
    }
}
