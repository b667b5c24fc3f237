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
    readonly GuestOptions _options;
    MemoryGuest? _guest;

    /// <param name="patience">How long an end waits for the other one; a minute unless told otherwise.</param>
    /// <param name="size">Of the guest; what it uses of that is little.</param>
    /// <param name="receiver">One that is there already.</param>
    public FaultRig(TimeSpan? patience = null, long size = 128 << 10, MigrationReceiver? receiver = null)
    {
        _options = TestGuests.Options(GuestWorkload.HotSpot, size, rate: 0) with
        {
            StartSuspended = true, WorkingSet = 128 << 10, ContentSize = 64 << 10,
        };
        var wait = patience ?? Patience.Limit;
        Receiver = receiver ?? MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = TestGuests.UniqueName("there"), FirstWordTimeout = wait, IdleTimeout = wait, RunTimeout = wait,
        });
        Parameters = new() { Verify = true, AnswerTimeout = wait, SettleTimeout = TimeSpan.Zero };
        Digest = Reference.DigestAt(_options, [StandsAt, StandsAt]);
    }

    public MigrationParameters Parameters { get; set; }

    public MigrationReceiver Receiver { get; }

    /// <summary>Of the guest that stayed.</summary>
    public string Digest { get; }

    /// <summary>Whether the arrived guest may differ from the one that left: a bit was turned round, and nobody asked to verify.</summary>
    public bool MayDiffer { get; init; }

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
        using var proxy = new FaultProxy(Receiver.Uri) { Forward = forward, Back = back };
        Assert.Equal(GuestLocation.Destination, Migrate(proxy, "undisturbed").Location);
        return (forward.Written, back.Written);
    }

    /// <summary>How a migration over a link with these faults ended, once the guest has been found in one place.</summary>
    public MigrationResult Migrate(LinkFault? forward = null, LinkFault? back = null)
    {
        using var proxy = new FaultProxy(Receiver.Uri, forward, back);
        return Migrate(proxy, $"forward {forward}, back {back}");
    }

    /// <inheritdoc cref="Migrate(LinkFault?, LinkFault?)"/>
    public MigrationResult Migrate(FaultProxy proxy, string what)
    {
        Stand();
        var guest = _guest!;
        ArrivedDigest = "";
        var migration = Migration.Start(guest, proxy.Uri, Parameters);
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
        Patience.Until(() =>
        {
            if (migration.Wait(TimeSpan.FromMilliseconds(1))) return true;
            if (migration.Status != MigrationStatus.PostcopyPaused) return false;
            Recoveries++;
            migration.Recover();
            return false;
        }, $"the end of a migration that is {migration.Status} in {migration.GetState().Phase}: {what}");
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
            Assert.Equal(Digest, DigestOf(guest));
            guest.Resume();
            return;
        }
        Assert.Equal(GuestLocation.Destination, location);
        Assert.True(there.Count == 1, $"It is nowhere: {what}.");
        Assert.Contains(guest.State, new[] { GuestState.PostMigrate, GuestState.Removed });
        ArrivedDigest = DigestOf(there[0]);
        ArrivedRegisters = there[0].Cpus[0].Registers;
        if (!MayDiffer) Assert.Equal(Digest, ArrivedDigest);
        _guest = null;
        TestGuests.RemoveAll(_options.Host, Receiver.HostName);
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
