using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>What an attempt that failed has left at the receiver, channels without a main stream, does not stand in the way of the next one.</summary>
public sealed class StaleChannelTests : IDisposable
{
    static readonly TlsPki Pki = TlsPki.Shared;
    readonly List<IConnection> _links = [];
    readonly GuestOptions _options = TestGuests.Options(rate: TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 8 * TestGuests.MiB };
    MigrationReceiver? _receiver;

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, false, true)]
    [InlineData(false, true, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    [InlineData(true, true, true)]
    public void Of_the_same_guest(bool isTls, bool isOpen, bool saysMigration)
    {
        var receiver = Start(isTls);
        var guest = TestGuests.Create(_options);
        for (byte number = 0; number < 3; number++)
        {
            var link = Connect(receiver.Uri, isTls);
            var writer = new WireWriter(link.Output);
            new MultifdInit(guest.Uuid, number, saysMigration ? Guid.NewGuid() : null).Write(writer);
            writer.Flush();
            if (!isOpen) link.Dispose();
        }
        var migration = Migration.Start(guest, receiver.Uri, Parameters(isTls));
        Assert.True(migration.Wait(Patience.Limit));
        AssertArrived(migration.Result!);
    }

    // A channel says who it is in 64 bytes, with TLS behind about 3,000.
    [Theory]
    [InlineData(false, 1, 0)]
    [InlineData(false, 2, 0)]
    [InlineData(false, 2, 30)]
    [InlineData(false, 2, 64)]
    [InlineData(false, 3, 3)]
    [InlineData(false, 3, 64)]
    [InlineData(true, 2, 4000)]
    [InlineData(true, 3, 4000)]
    public void Of_an_attempt_that_is_cut_while_it_connects(bool isTls, int struck, int at)
    {
        var receiver = Start(isTls);
        var guest = TestGuests.Create(_options);
        using var first = new FaultProxy(receiver.Uri, new LinkFault(LinkFaultKind.Cut, at)) { Struck = struck };
        var parameters = Parameters(isTls) with { Retries = MigrationParameters.MostRetries, RetryDelay = TimeSpan.FromMilliseconds(1) };
        var run = new RetryingRun(0, guest, receiver.Uri.ToString(), parameters, (holder, limited) => new OutgoingMigration(0, guest, "cut", limited,
            _ => Connect(first.HasStruck ? receiver.Uri : first.Uri, isTls)) { Holder = holder });
        run.Start();
        Assert.True(run.Wait(Patience.Limit));
        Assert.True(run.Result!.Attempts.Length > 1, run.Result.ToString());
        AssertArrived(run.Result);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void Of_a_QEMU(bool flushes, bool isOpen)
    {
        var receiver = Start();
        using var stale = new FakeSource(receiver, flushes, fill: 0xA);
        stale.Connect(isOpen ? [0, 1] : [0, 1, 2]);
        if (!isOpen) stale.Dispose();
        using var source = new FakeSource(receiver, flushes, fill: 0xB);
        source.Main.Header();
        source.Connect(1, 0).SendAll();
        source.AssertArrived(Taken(receiver));
    }

    [Fact]
    public void Of_a_QEMU_that_had_gone_on()
    {
        var receiver = Start();
        using var stale = new FakeSource(receiver, flushes: true, fill: 0xA);
        stale.Connect(0, 1).Sync().Dispose();
        using var source = new FakeSource(receiver, flushes: true, fill: 0xB);
        source.Main.Header();
        source.Connect(0, 1).SendAll();
        source.AssertArrived(Taken(receiver));
    }

    [Fact]
    public void One_that_a_QEMU_has_closed_with_all_that_it_had_to_say_is_none()
    {
        var receiver = Start();
        using var source = new FakeSource(receiver, flushes: true);
        source.Main.Header();
        source.Connect(0, 1);
        // Three marks are all.
        for (var mark = 0; mark < 3; mark++) source.Channels[1].Sync();
        source.Links[2].Dispose();
        source.Channels[0].Sync();
        source.Main.Setup();
        source.Channels[0].Pages([.. Enumerable.Range(0, FakeSource.Pages / 2).Select(page => ((long)page * GuestMemory.PageSize, source.Content(page, 1)))]);
        source.Channels[0].Pages([.. Enumerable.Range(FakeSource.Pages / 2, FakeSource.Pages / 2).Select(page => ((long)page * GuestMemory.PageSize, source.Content(page, 1)))]).Sync();
        source.Main.Pass();
        source.Channels[0].Sync();
        source.Main.End();
        source.AssertArrived(Taken(receiver), 1);
    }

    [Fact]
    public void An_id_is_read_as_it_was_written_and_a_QEMU_says_none()
    {
        var init = new MultifdInit(Guid.NewGuid(), 3, Guid.NewGuid());
        foreach (var one in new[] { init, init with { Migration = null }, init with { Migration = Guid.Empty } })
        {
            var bytes = new BytesWriter();
            var writer = new WireWriter(bytes);
            one.Write(writer);
            writer.Flush();
            Assert.Equal(MultifdInit.Size, bytes.Written.Length);
            Assert.Equal(one, MultifdInit.Read(new WireReader(new BytesReader(bytes.Written), MigrationSide.Source)));
            // Another mark is nobody's.
            var other = bytes.Written;
            other[31] = 1;
            Assert.Equal(one with { Migration = null }, MultifdInit.Read(new WireReader(new BytesReader(other), MigrationSide.Source)));
        }
    }

    public void Dispose()
    {
        _links.ForEach(link => link.Abort());
        _receiver?.Dispose();
        TestGuests.RemoveAll(_options.Host, _receiver?.HostName ?? "");
    }

    // What waits longer than a test does is in its way if anything is.
    MigrationReceiver Start(bool isTls = false) => _receiver = MigrationReceiver.Start(new ReceiverOptions
    {
        HostName = TestGuests.UniqueName("there"), FirstWordTimeout = 2 * Patience.Limit, Tls = isTls ? Pki.Server : null,
    });

    static MigrationParameters Parameters(bool isTls) => new() { Channels = 2, Peer = PeerKind.PsMigrate, Verify = true, Tls = isTls ? Pki.Client : null };

    IConnection Connect(MigrationUri to, bool isTls)
    {
        var link = isTls ? Connector.ConnectTls(to, new TlsCredentials(Pki.Client, isServer: false), Patience.Limit, default) : Connector.Connect(to, Patience.Limit, default);
        lock (_links) _links.Add(link);
        return link;
    }

    void AssertArrived(MigrationResult result)
    {
        Assert.True(result.Error is null, $"{result.Error}");
        Assert.True(result.Verified, result.ToString());
        var arrived = Assert.Single(TestGuests.On(_receiver!.HostName));
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(_options, arrived);
    }

    static MemoryGuest Taken(MigrationReceiver receiver)
    {
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        return arrival.Guest!;
    }
}
