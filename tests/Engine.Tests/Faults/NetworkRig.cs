using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A guest that writes, on its way from one network to another: long enough for the cable to be pulled meanwhile.</summary>
sealed class NetworkRig : IDisposable
{
    /// <param name="patience">How long an end waits for the other one.</param>
    /// <param name="connect">How long to wait for a connection, if not as long.</param>
    /// <param name="inPostcopy">Whether it goes over first; what it does not need follows when it is let.</param>
    public NetworkRig(TimeSpan patience, TimeSpan? connect = null, bool inPostcopy = false)
    {
        Network = new NetworkPair { ConnectTimeout = connect ?? patience };
        Rig = new Rig(TestGuests.Options(rate: 2 * TestGuests.MiB) with
        {
            // Of what it asks for in postcopy most stays away.
            Content = GuestContent.Random, ContentSize = 15 * TestGuests.MiB, WorkingSet = inPostcopy ? 4 * TestGuests.MiB : 0,
        }) { Open = Network.Open };
        Rig.Policy = Rig.Policy with { IdleTimeout = patience, RunTimeout = patience };
        Rig.Parameters = Rig.Parameters with { AnswerTimeout = patience, MaxBandwidth = 8 * TestGuests.MiB };
        if (!inPostcopy) return;
        Rig.Policy = Rig.Policy with { RecoverTimeout = Patience.Limit };
        Rig.Parameters = Rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 1 };
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

    /// <summary>Starts, and returns when the guest runs at the other end and has needed pages.</summary>
    public void StartFollowing()
    {
        Rig.Start();
        Patience.Until(() =>
        {
            Assert.False(Rig.Outgoing!.Status is MigrationStatus.Failed or MigrationStatus.PostcopyPaused, $"Before the cable is pulled: {Rig.Outgoing.GetState().Error}");
            return Rig.Outgoing.Status == MigrationStatus.PostcopyActive && Rig.Arrival?.Postcopy?.Faults > 0;
        }, "the postcopy");
    }

    /// <summary>Both ends have noticed that nothing comes any more.</summary>
    public void AwaitPause()
    {
        Patience.Until(() => Rig.Outgoing!.Status == MigrationStatus.PostcopyPaused, "the pause at the source");
        Patience.Until(() => Rig.Arrival!.Status == MigrationStatus.PostcopyPaused, "the pause at the destination");
    }

    /// <summary>Lets all follow, to the end; the guest is there whole.</summary>
    public void FinishFollowing()
    {
        Rig.Outgoing!.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = Rig.Finish();
        Assert.True(result.Error is null, $"{result.Error}");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Rig.AssertRunsOnlyThere();
    }

    /// <summary>Until the ends meet again; what they then found, if the migration does not go on.</summary>
    public MigrationException? Recover()
    {
        MigrationException? failed = null;
        Patience.Until(() =>
        {
            try
            {
                Rig.Outgoing!.Recover(null);
                failed = null;
                return true;
            }
            catch (MigrationException error)
            {
                failed = error;
                return Rig.Outgoing!.Status != MigrationStatus.PostcopyPaused;
            }
        }, $"the ends to meet again: {failed}");
        return failed;
    }

    public void Dispose()
    {
        try
        {
            if (Rig.Outgoing?.Status == MigrationStatus.PostcopyPaused) Rig.Outgoing.GiveUp();
            Rig.Dispose();
        }
        finally
        {
            // Namespaces outlive the process.
            Network.Dispose();
        }
    }
}
