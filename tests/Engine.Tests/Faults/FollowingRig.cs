using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// A guest that has gone over by postcopy and writes there, over a link with faults. What it needs is asked for, what it does not need is held
/// back until <see cref="Finish"/>, so that nothing is over before a test has looked.
/// </summary>
sealed class FollowingRig : IDisposable
{
    readonly GuestOptions _options;

    /// <param name="forward">What befalls the bytes of the source.</param>
    /// <param name="back">What befalls those that come back.</param>
    /// <param name="patience">How long an end waits for the other one; a minute unless told otherwise.</param>
    /// <param name="size">Of the guest; it writes to a quarter.</param>
    public FollowingRig(LinkFault? forward = null, LinkFault? back = null, TimeSpan? patience = null, long size = 4 * TestGuests.MiB)
    {
        var wait = patience ?? Patience.Limit;
        _options = TestGuests.Options(GuestWorkload.Random, size, rate: size) with { Content = GuestContent.Random, ContentSize = size, WorkingSet = size / 4, WriteSize = 64 };
        Receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), IdleTimeout = wait });
        Proxy = new FaultProxy(Receiver.Uri, forward, back);
        Migration = Migration.Start(TestGuests.Create(_options), Proxy.Uri, new MigrationParameters
        {
            Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 1, AnswerTimeout = wait, SettleTimeout = TimeSpan.Zero,
        });
    }

    public MigrationReceiver Receiver { get; }

    public FaultProxy Proxy { get; }

    public Migration Migration { get; }

    /// <summary>Where it runs.</summary>
    public MemoryGuest Arrived => Assert.Single(TestGuests.On(Receiver.HostName));

    /// <summary>Both ends have noticed that the link is broken; the guest runs on at the destination, as far as it can.</summary>
    public void AwaitPause()
    {
        Patience.Until(() => Migration.Status == MigrationStatus.PostcopyPaused, $"the pause at the source, which is {Migration.Status}: {Migration.Result?.Error}");
        Patience.Until(() => Receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause at the destination");
        Assert.Equal(GuestLocation.Destination, Migration.GetState().Location);
        Assert.Equal(GuestState.Running, Arrived.State);
        Assert.NotEqual(GuestState.Running, Migration.Guest.State);
    }

    /// <summary>How often the link broke.</summary>
    public int Breaks => Migration.GetState().Decisions.Count(decision => decision is { What: "Link" });

    /// <summary>What is left follows, and the guest is there whole.</summary>
    public void Finish()
    {
        Migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        Assert.True(Migration.Wait(Patience.Limit), $"It hangs in {Migration.Status}.");
        Assert.True(Migration.Result!.Error is null, $"{Migration.Result.Error}");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (Migration.Result.State, Migration.Result.Location));
        Patience.Until(() => Receiver.ActiveCount == 0, "the receiver to be through");
        TestGuests.WaitForTick(Arrived, Arrived.Ticks.Max() + 10);
        Reference.AssertIntact(_options, Arrived);
        Assert.Empty(TestGuests.On(_options.Host));
    }

    public void Dispose()
    {
        Receiver.Dispose();
        Proxy.Dispose();
        if (Migration.Status == MigrationStatus.PostcopyPaused) Migration.GiveUp();
        Assert.True(Migration.Wait(Patience.Limit), $"It hangs in {Migration.Status}.");
        TestGuests.RemoveAll(_options.Host, Receiver.HostName);
    }
}
