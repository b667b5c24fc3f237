using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A guest of ours whose migration goes over by postcopy to a scripted destination; the copy at the source stays, to compare.</summary>
sealed class SourceRig : IDisposable
{
    public SourceRig(bool isQemu = false, GuestOptions? options = null, FakePostcopy? fake = null)
    {
        Options = options ?? TestGuests.Options(size: 4 * TestGuests.MiB);
        Guest = TestGuests.Create(Options);
        Fake = fake ?? new FakePostcopy(isQemu);
    }

    public GuestOptions Options { get; }

    public MemoryGuest Guest { get; }

    public FakePostcopy Fake { get; }

    public MigrationParameters Parameters { get; set; } = new()
    {
        Mode = MigrationMode.Postcopy, Postcopy = true, KeepSource = true, AnswerTimeout = TimeSpan.FromSeconds(20), SettleTimeout = TimeSpan.Zero,
    };

    public OutgoingMigration Outgoing { get; private set; } = null!;

    public OutgoingMigration Start(Action<MigrationPhase>? entered = null)
    {
        Outgoing = new OutgoingMigration(0, Guest, "fake", Parameters, Fake.Connect) { PhaseEntered = entered, ConnectTo = _ => Fake.Connect };
        Outgoing.Start();
        return Outgoing;
    }

    public void Await(MigrationStatus status) => Patience.Until(() =>
    {
        var now = Outgoing.Status;
        Assert.True(now == status || !MigrationTransitions.IsEnded(now), $"The migration has ended, {now}: {Outgoing.Result}");
        return now == status;
    }, status.ToString());

    public MigrationResult Finish()
    {
        if (Outgoing is null) Start();
        Assert.True(Outgoing!.Wait(Patience.Limit), $"The migration hangs: {Outgoing.Status} in {Outgoing.GetState().Phase}.");
        Fake.AssertSound();
        Assert.False(Guest.IsBusy);
        return Outgoing.Result!;
    }

    /// <summary>Completed, and what came is what the guest had when it stopped.</summary>
    public MigrationResult FinishWell()
    {
        var result = Finish();
        Assert.True(result.Error is null, $"{result.Error}");
        Assert.Equal((MigrationStatus.Completed, Fake.IsQemu ? GuestLocation.RamOnly : GuestLocation.Destination), (result.State, result.Location));
        Assert.Equal(GuestState.PostMigrate, Guest.State);
        Assert.Equal(Guest.Digest(), RamDigest.Compute(Fake.Memory!));
        Reference.AssertIntact(Options, Guest);
        return result;
    }

    /// <summary>The guest runs on here, as if nothing had been.</summary>
    public void AssertRunsHere()
    {
        Assert.Equal(GuestState.Running, Guest.State);
        Assert.Null(Guest.Memory.Ram.Log);
        Assert.Null(Guest.MovedTo);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(Options, Guest);
    }

    /// <summary>It failed with the guest lost; as it was when it stopped here it can be run by force.</summary>
    public void AssertLost()
    {
        var result = Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Lost), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (result.Error!.Id, result.Error.Location));
        Assert.Equal(GuestState.Lost, Guest.State);
        Failing.With(MigrationErrorId.GuestLost, () => Guest.Resume());
        // As it was when it stopped here.
        Guest.Resume(force: true);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(Options, Guest);
    }

    public void Dispose()
    {
        Fake.IsGone = true;
        Outgoing?.Cancel(wait: false);
        if (Outgoing is { Result: null })
            while (!Outgoing.Wait(TimeSpan.FromMilliseconds(50)))
                if (Outgoing.Status == MigrationStatus.PostcopyPaused) Outgoing.GiveUp();
                else if (Outgoing.Status == MigrationStatus.PostcopyActive) Outgoing.Pause();
        Fake.Dispose();
        TestGuests.RemoveAll(Options.Host);
    }
}
