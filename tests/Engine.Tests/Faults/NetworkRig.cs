using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A guest that writes, on its way from one network to another: long enough for the cable to be pulled meanwhile.</summary>
sealed class NetworkRig : IDisposable
{
    public NetworkRig(TimeSpan patience, TimeSpan? connect = null)
    {
        Network = new NetworkPair { ConnectTimeout = connect ?? patience };
        Rig = new Rig(TestGuests.Options(rate: 2 * TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 15 * TestGuests.MiB }) { Open = Network.Open };
        Rig.Policy = Rig.Policy with { IdleTimeout = patience, RunTimeout = patience };
        Rig.Parameters = Rig.Parameters with { AnswerTimeout = patience, MaxBandwidth = 8 * TestGuests.MiB };
    }

    public NetworkPair Network { get; }

    public Rig Rig { get; }

    /// <summary>Starts one that does not end by itself, and returns in the first pass.</summary>
    public void StartFirstPass()
    {
        Rig.Parameters = Rig.Parameters with { MaxDowntime = TimeSpan.FromMilliseconds(1), Means = MigrationMeans.Qemu };
        Rig.Start();
        Patience.Until(() => Rig.SourceEnd?.BytesSent > TestGuests.MiB, "the first pass");
    }

    /// <summary>Now it may.</summary>
    public void LetEnd() => Rig.Outgoing!.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(10)));

    public void Dispose()
    {
        Rig.Dispose();
        Network.Dispose();
    }
}
