using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>A guest and a receiver, with a socket between.</summary>
sealed class TlsRig : IDisposable
{
    readonly string _there = TestGuests.UniqueName("there");

    /// <param name="server">The receiver's certificates; null for a plain one.</param>
    /// <param name="uri">Where it listens.</param>
    public TlsRig(TlsOptions? server, string uri = "tcp:127.0.0.1:0")
    {
        Options = TestGuests.Options();
        Guest = TestGuests.Create(Options);
        Receiver = MigrationReceiver.Start(new ReceiverOptions
        {
            Uri = MigrationUri.Parse(uri), HostName = _there, Tls = server, FirstWordTimeout = TimeSpan.FromSeconds(6),
        });
    }

    public GuestOptions Options { get; }

    public MemoryGuest Guest { get; }

    public MigrationReceiver Receiver { get; }

    public MemoryGuest? Arrived => TestGuests.On(_there).SingleOrDefault();

    /// <summary>Migrates it, and waits for the end.</summary>
    public MigrationResult Migrate(TlsOptions? client, MigrationParameters? parameters = null, MigrationUri? to = null)
    {
        var migration = Migration.Start(Guest, to ?? Receiver.Uri, (parameters ?? new()) with { Tls = client, SettleTimeout = TimeSpan.Zero });
        migration.LetEndAfter(3);
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.Result!;
    }

    /// <summary>The next thing that ended at the receiver.</summary>
    public MigrationArrival TakeArrival()
    {
        Assert.True(Receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends at the receiver.");
        return arrival;
    }

    /// <summary>The guest runs on here, and is as one that stayed.</summary>
    public void AssertRunsOnlyHere()
    {
        Assert.Null(Arrived);
        Assert.Equal(GuestState.Running, Guest.State);
        TestGuests.WaitForTick(Guest, Guest.Ticks.Max() + 10);
        Reference.AssertIntact(Options, Guest);
    }

    public void AssertRunsOnlyThere()
    {
        var arrived = Arrived;
        Assert.NotNull(arrived);
        Assert.Equal(GuestState.Running, arrived.State);
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(Options, arrived);
    }

    public void Dispose()
    {
        Receiver.Dispose();
        TestGuests.RemoveAll(Options.Host, _there);
    }
}
