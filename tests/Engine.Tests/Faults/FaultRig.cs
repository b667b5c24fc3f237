using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// A receiver, and a small guest that runs and stands at a tick, so that each of its migrations sends the same bytes; between them, each
/// time, a link with faults. Whatever these do, <see cref="Migrate"/> finds the guest in one place with its memory as it was, or in doubt
/// and then healed.
/// </summary>
sealed class FaultRig : IDisposable
{
    const long StandsAt = 500;
    const long GoesOnTo = 600;
    // Nobody reads from a channel whose main connection has not come: until then it is not seen that it broke.
    static readonly TimeSpan FirstWord = TimeSpan.FromSeconds(10);
    static readonly TlsPki Pki = TlsPki.Shared;
    readonly GuestOptions _options;
    readonly Dictionary<string, string> _digests = [];
    MemoryGuest? _guest;
    Migration? _migration;

    /// <param name="patience">How long an end waits for the other one; a minute unless told otherwise.</param>
    /// <param name="size">Of the guest; what it uses of that is little.</param>
    /// <param name="receiver">One that is there already.</param>
    /// <param name="isTls">Whether the ends speak TLS.</param>
    public FaultRig(TimeSpan? patience = null, long size = 128 << 10, MigrationReceiver? receiver = null, bool isTls = false)
    {
        _options = TestGuests.Options(GuestWorkload.HotSpot, size, rate: 0) with
        {
            StartSuspended = true, WorkingSet = 128 << 10, ContentSize = 64 << 10,
        };
        var wait = patience ?? Patience.Limit;
        Receiver = receiver ?? MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = TestGuests.UniqueName("there"), FirstWordTimeout = wait < FirstWord ? wait : FirstWord, IdleTimeout = wait, RunTimeout = wait,
            Tls = isTls ? Pki.Server : null,
        });
        Parameters = new() { Verify = true, AnswerTimeout = wait, SettleTimeout = TimeSpan.Zero, Tls = isTls ? Pki.Client : null };
        Digest = DigestAt([StandsAt, StandsAt]);
    }

    public MigrationParameters Parameters { get; set; }

    public MigrationReceiver Receiver { get; }

    /// <summary>Of the guest that stayed.</summary>
    public string Digest { get; }

    /// <summary>Whether the arrived guest may differ from the one that left: a bit was turned round, and nobody asked to verify.</summary>
    public bool MayDiffer { get; init; }

    /// <summary>Which connection of a migration suffers the faults, and is recorded; 1 is the first, which is the main one.</summary>
    public int Struck { get; set; } = 1;

    /// <summary>Whether a guest that has gone over goes on for some ticks there, and needs pages for that.</summary>
    public bool GoesOnThere { get; init; }

    /// <summary>Whether the link of a postcopy is broken once without a fault, so that the next connection is a recovery.</summary>
    public bool IsPausedOnce { get; set; }

    /// <summary>Called by the sending thread.</summary>
    public Action<MigrationPhase, Migration>? PhaseEntered { get; init; }

    /// <summary>Of the last migration.</summary>
    public MigrationIteration LastPass => _migration!.GetState().Current;

    /// <summary>The digest of the guest that the last migration brought over; empty when it stayed.</summary>
    public string ArrivedDigest { get; private set; } = "";

    /// <summary>Those of the first vCPU, as it stands here.</summary>
    public CpuRegisters Registers { get; private set; }

    /// <summary>Those of the first vCPU as it arrived last.</summary>
    public CpuRegisters ArrivedRegisters { get; private set; }

    /// <summary>What an undisturbed migration sends, and gets back.</summary>
    public (byte[] Forward, byte[] Back) Record()
    {
        var (forward, back) = (new BytesWriter(), new BytesWriter());
        using var proxy = new FaultProxy(Receiver.Uri) { Struck = Struck, Forward = forward, Back = back };
        Assert.Equal(GuestLocation.Destination, Migrate(proxy, "undisturbed").Location);
        return (forward.Written, back.Written);
    }

    /// <summary>How a migration over a link with these faults ended, once the guest has been found in one place.</summary>
    public MigrationResult Migrate(LinkFault? forward = null, LinkFault? back = null)
    {
        using var proxy = new FaultProxy(Receiver.Uri, forward, back) { Struck = Struck };
        return Migrate(proxy, $"forward {forward}, back {back}");
    }

    /// <inheritdoc cref="Migrate(LinkFault?, LinkFault?)"/>
    public MigrationResult Migrate(FaultProxy proxy, string what)
    {
        Stand();
        var guest = _guest!;
        ArrivedDigest = "";
        using var isKnown = new ManualResetEventSlim();
        var migration = _migration = Migration.Start(guest, proxy.Uri, Parameters, phase =>
        {
            Patience.For(isKnown, "the migration to be known");
            PhaseEntered?.Invoke(phase, _migration!);
        });
        isKnown.Set();
        AwaitEnd(migration, what);
        // What was held up arrives late.
        proxy.Release();
        Patience.Until(() => Receiver.ActiveCount == 0, $"the receiver to be through: {what}");
        CheckError(migration.Result!, what);
        Check(guest, migration.Result!.Location, what);
        return migration.Result;
    }

    /// <summary>How often the last migration was recovered.</summary>
    public int Recoveries { get; private set; }

    /// <summary>A postcopy that is paused is recovered.</summary>
    void AwaitEnd(Migration migration, string what)
    {
        Recoveries = 0;
        var mayPause = IsPausedOnce;
        Patience.Until(() =>
        {
            if (GoesOnThere && HasGoneOn()) Lift(migration);
            if (migration.Wait(TimeSpan.FromMilliseconds(1))) return true;
            if (mayPause && migration.Status == MigrationStatus.PostcopyActive) mayPause = !TryPause(migration);
            if (migration.Status == MigrationStatus.PostcopyPaused) Recover(migration);
            return false;
        }, $"the end of a migration that is {migration.Status} in {migration.GetState().Phase}: {what}");
    }

    /// <summary>It has needed pages, then.</summary>
    bool HasGoneOn()
    {
        var there = TestGuests.On(Receiver.HostName);
        there.ForEach(guest => guest.StopAtTick(GoesOnTo));
        return there.Any(guest => guest.Ticks.All(tick => tick >= GoesOnTo));
    }

    /// <summary>Pages that follow unasked are held back no longer.</summary>
    static void Lift(Migration migration)
    {
        try
        {
            migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.InvalidState)
        {
            // It is over.
        }
    }

    /// <summary>False when it is over, or not yet so far that its link can be broken.</summary>
    static bool TryPause(Migration migration)
    {
        try
        {
            migration.Pause();
            Lift(migration);
            return true;
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.InvalidState)
        {
            return false;
        }
    }

    /// <summary>One that fails leaves it paused, or ends it, and says so either way.</summary>
    void Recover(Migration migration)
    {
        Recoveries++;
        try
        {
            migration.Recover();
        }
        catch (MigrationException error)
        {
            Assert.True(error.Id != MigrationErrorId.InternalError, $"{error}");
        }
    }

    /// <summary>Makes the guest, unless it is there, and has it come to its tick.</summary>
    public void Stand()
    {
        if (_guest is not null) return;
        _guest = TestGuests.Create(_options);
        _guest.StopAtTick(StandsAt);
        _guest.Resume();
        TestGuests.WaitForTick(_guest, StandsAt);
        Registers = _guest.Cpus[0].Registers;
    }

    public void Dispose()
    {
        Receiver.Dispose();
        TestGuests.RemoveAll(_options.Host, Receiver.HostName);
    }

    static void CheckError(MigrationResult result, string what)
    {
        Assert.Equal(result.State == MigrationStatus.Completed, result.Error is null);
        if (result.Error is not { } error) return;
        Assert.True(error.Id != MigrationErrorId.InternalError, $"{what}: {error}");
        Assert.True(error.Side != MigrationSide.User, $"{what}: {error}");
        Assert.NotNull(error.Phase);
        Assert.Equal(result.Location, error.Location);
    }

    void Check(MemoryGuest guest, GuestLocation location, string what)
    {
        foreach (var arrival in Receiver.Arrivals) Assert.True(arrival.Error?.Id != MigrationErrorId.InternalError, $"{what}: {arrival.Error}");
        var there = TestGuests.On(Receiver.HostName);
        Assert.True(there.Count <= 1, $"{there.Count} guests arrived: {what}.");
        if (location == GuestLocation.InDoubt) location = Settle(guest, there.Count > 0, what);
        if (location == GuestLocation.Source)
        {
            Assert.True(there.Count == 0, $"It is at both ends: {what}.");
            Assert.True(guest.State == GuestState.Running, $"It is {guest.State}: {what}.");
            Assert.Equal(PhaseEntered is null ? Digest : DigestAt(guest.Ticks), DigestOf(guest));
            guest.Resume();
            return;
        }
        if (location == GuestLocation.Lost && MayDiffer) CheckLost(guest, there, what);
        else CheckArrived(guest, location, there, what);
        _guest = null;
        TestGuests.RemoveAll(_options.Host, Receiver.HostName);
    }

    void CheckArrived(MemoryGuest guest, GuestLocation location, List<MemoryGuest> there, string what)
    {
        Assert.True(location == GuestLocation.Destination, $"It is at {location}: {what}. {_migration!.Result!.Error}");
        Assert.True(there.Count == 1, $"It is nowhere: {what}.");
        Assert.Contains(guest.State, new[] { GuestState.PostMigrate, GuestState.Removed });
        if (GoesOnThere) GoOn(there[0]);
        ArrivedDigest = DigestOf(there[0]);
        ArrivedRegisters = there[0].Cpus[0].Registers;
        if (!MayDiffer) Assert.Equal(PhaseEntered is null && !GoesOnThere ? Digest : DigestAt(there[0].Ticks), ArrivedDigest);
    }

    /// <summary>What passed was changed in a way that shows when the guest runs there already: it runs nowhere, and both ends say so.</summary>
    void CheckLost(MemoryGuest guest, List<MemoryGuest> there, string what)
    {
        Assert.Equal(MigrationErrorId.GuestLost, _migration!.Result!.Error!.Id);
        Assert.True(guest.State == GuestState.Lost, $"It is {guest.State}, and was said to be lost: {what}.");
        Assert.All(there, one => Assert.Equal(GuestState.Lost, one.State));
    }

    static void GoOn(MemoryGuest guest)
    {
        guest.StopAtTick(GoesOnTo);
        TestGuests.WaitForTick(guest, GoesOnTo);
    }

    string DigestAt(long[] ticks)
    {
        var key = string.Join(' ', ticks);
        return _digests.TryGetValue(key, out var known) ? known : _digests[key] = Reference.DigestAt(_options, ticks);
    }

    /// <summary>The ends meet again, and then the guest is in one place.</summary>
    static GuestLocation Settle(MemoryGuest guest, bool isThere, string what)
    {
        Assert.True(guest.State == GuestState.InDoubt, $"It is {guest.State}, and was said to be in doubt: {what}.");
        // Nobody may answer in time on a machine that stands.
        var outcome = SettleOutcome.Unknown;
        Patience.Until(() => (outcome = guest.Settle()) != SettleOutcome.Unknown, $"the ends to meet again: {what}");
        Assert.True(outcome == (isThere ? SettleOutcome.RunsThere : SettleOutcome.Discarded), $"{outcome}: {what}.");
        return isThere ? GuestLocation.Destination : GuestLocation.Source;
    }

    static string DigestOf(MemoryGuest guest)
    {
        guest.Suspend();
        return guest.Digest();
    }
}
