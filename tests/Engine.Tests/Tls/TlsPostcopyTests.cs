using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>Postcopy over TLS, with recoveries, a preempt channel and a link that damages what passes: the guest is the one that stayed.</summary>
public sealed class TlsPostcopyTests : IDisposable
{
    static readonly TlsPki Pki = TlsPki.Shared;

    static readonly MigrationParameters Over = new()
    {
        Postcopy = true, Mode = MigrationMode.Postcopy, Peer = PeerKind.PsMigrate, Tls = Pki.Client, MaxPostcopyBandwidth = 512 << 10,
    };

    readonly string _there = TestGuests.UniqueName("there");
    // What the vCPUs touch comes as fast as they ask for it: a part of the memory only, so that the rest is missing while the test does something.
    readonly GuestOptions _options = TestGuests.Options(GuestWorkload.Random, 8 * TestGuests.MiB) with { WriteSize = 64, WorkingSet = TestGuests.MiB };
    readonly MemoryGuest _guest;
    readonly MigrationReceiver _receiver;
    FaultProxy? _proxy;

    public TlsPostcopyTests()
    {
        _guest = TestGuests.Create(_options);
        _receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = _there, Uri = MigrationUri.Parse("tcp:127.0.0.1:0"), Tls = Pki.Server });
    }

    [Theory]
    [InlineData(MigrationMode.Postcopy, false)]
    [InlineData(MigrationMode.Postcopy, true)]
    [InlineData(MigrationMode.Hybrid, false)]
    [InlineData(MigrationMode.Hybrid, true)]
    public void A_guest_goes_over_before_its_memory(MigrationMode mode, bool preempt)
    {
        var migration = Start(Over with { Mode = mode, PostcopyPreempt = preempt, MaxPostcopyBandwidth = 40 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(1) });
        AssertArrived(migration);
        // A hybrid one may be through before it comes to that.
        if (mode == MigrationMode.Postcopy) Assert.NotNull(migration.Result!.Postcopy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_that_is_cut_again_and_again_is_made_anew(bool preempt)
    {
        var migration = Start(Over with { PostcopyPreempt = preempt });
        for (var cut = 0; cut < 3; cut++)
        {
            AwaitPages(migration, 200 * (cut + 1));
            _proxy!.Cut();
            Recover(migration);
        }
        AssertArrived(migration);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_bit_that_turns_around_in_postcopy_pauses_it_and_damages_nothing(bool forward)
    {
        // Behind the greeting and the switch: of pages, or of the requests for them.
        var flip = new LinkFault(LinkFaultKind.Flip, forward ? 2_000_003 : 4_500);
        _proxy = forward ? new FaultProxy(_receiver.Uri, forward: flip) : new FaultProxy(_receiver.Uri, back: flip);
        var migration = Start(Over);
        Recover(migration);
        AssertArrived(migration);
        Assert.True(_proxy.Connections > 1);
    }

    [Fact]
    public void It_is_not_recovered_over_a_receiver_without_TLS()
    {
        using var plain = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("plain"), Uri = MigrationUri.Parse("tcp:127.0.0.1:0") });
        var migration = Start(Over);
        AwaitPages(migration, 100);
        migration.Pause();
        Assert.Equal(MigrationErrorId.TlsNotSpoken, Assert.Throws<MigrationException>(() => migration.Recover(plain.Uri)).Id);
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        Recover(migration);
        AssertArrived(migration);
    }

    [Fact]
    public void A_link_that_breaks_around_RUN_is_settled_over_TLS()
    {
        // What the destination says at the end is READY, RUNNING and SHUT: the link is cut at places all over that.
        var server = Pki.Issue("CN=server", isRsa: true);
        var settled = 0;
        var length = Settle(server, LinkFaultKind.None, 0, ref settled);
        for (var at = length - 200; at < length; at += 8) Settle(server, LinkFaultKind.Cut, at, ref settled);
        Assert.True(settled > 0, "No link broke between RUN and its answer.");
    }

    static long Settle(System.Security.Cryptography.X509Certificates.X509Certificate2 server, LinkFaultKind kind, long at, ref int settled)
    {
        using var rig = new TlsRig(Pki.Server with { Certificate = server });
        var seen = new BytesWriter();
        using var proxy = new FaultProxy(rig.Receiver.Uri, back: new LinkFault(kind, at)) { Back = seen };
        var migration = Migration.Start(rig.Guest, proxy.Uri, new MigrationParameters { Tls = Pki.Client, SettleTimeout = Patience.Limit });
        Assert.True(migration.Wait(Patience.Limit), $"It hangs in {migration.Status}.");
        if (migration.Result!.State == MigrationStatus.Completed) rig.AssertRunsOnlyThere();
        else rig.AssertRunsOnlyHere();
        if (migration.Result.State == MigrationStatus.Completed && proxy.Connections > 1) settled++;
        return seen.Written.Length;
    }

    public void Dispose()
    {
        _receiver.Dispose();
        _proxy?.Dispose();
        TestGuests.RemoveAll(_options.Host, _there);
    }

    Migration Start(MigrationParameters parameters)
    {
        _proxy ??= new FaultProxy(_receiver.Uri);
        return Migration.Start(_guest, _proxy.Uri, parameters);
    }

    void AwaitPages(Migration migration, long pages)
    {
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyActive, MissingPages: var missing }] && missing < 2048 - pages, "some pages");
    }

    void Recover(Migration migration)
    {
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyPaused, "the pause at the source");
        Patience.Until(() => _receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause at the destination");
        Assert.Equal(GuestState.Running, Assert.Single(TestGuests.On(_there)).State);
        migration.Recover();
    }

    void AssertArrived(Migration migration)
    {
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        Assert.True(migration.Wait(Patience.Limit), $"It hangs in {migration.Status}.");
        Assert.True(migration.Result!.State == MigrationStatus.Completed, $"{migration.Result} {migration.Result.Error}");
        var arrived = Assert.Single(TestGuests.On(_there));
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 100);
        Reference.AssertIntact(_options, arrived);
    }
}
