using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>Channels need to know what is at the other end before anything is connected.</summary>
public sealed class PeerTests : IDisposable
{
    readonly MemoryGuest _guest = TestGuests.Create();

    [Theory]
    [InlineData("tcp:127.0.0.1:1")]
    [InlineData("unix:/nowhere/at/all")]
    public void Not_known_it_is_refused_and_nothing_has_changed(string destination)
    {
        var error = Assert.Throws<MigrationException>(() => Migration.Start(_guest, MigrationUri.Parse(destination), new MigrationParameters { Channels = 1 }));
        Assert.Equal((MigrationErrorId.PeerVersionUnknown, MigrationSide.User), (error.Id, error.Side));
        Assert.Equal((GuestState.Running, false), (_guest.State, _guest.IsBusy));
    }

    [Fact]
    public void A_file_takes_no_channels()
    {
        var error = Assert.Throws<MigrationException>(() => Migration.Start(_guest, MigrationUri.Parse("file:/nowhere"), new MigrationParameters { Channels = 2 }));
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
    }

    [Fact]
    public void A_QEMU_that_was_said_to_be_ours_gets_nothing_of_the_guest()
    {
        using var fake = new FakeDestination(isQemu: true);
        var error = Fails(new MigrationParameters { Channels = 2, Peer = PeerKind.PsMigrate }, new UnreadChannels(fake).Connect);
        Assert.Equal((MigrationErrorId.EndsDisagree, MigrationPhase.Ping), (error.Id, error.Phase));
        Assert.Empty(fake.Sections);
    }

    [Fact]
    public void One_of_ours_that_was_said_to_be_a_QEMU_too()
    {
        using var fake = new FakeDestination();
        var error = Fails(new MigrationParameters { Channels = 2, PeerVersion = new(10, 0) }, new UnreadChannels(fake).Connect);
        Assert.Equal((MigrationErrorId.EndsDisagree, MigrationPhase.Ping), (error.Id, error.Phase));
        Assert.Empty(fake.Sections);
    }

    [Fact]
    public void One_that_does_not_answer_over_QMP_is_not_connected_to()
    {
        var connections = 0;
        var error = Fails(new MigrationParameters { Channels = 2, DestinationQmp = "unix:/nowhere/at/all" }, _ =>
        {
            connections++;
            throw new InvalidOperationException();
        });
        Assert.Equal((MigrationErrorId.ConnectionRefused, MigrationPhase.Connect), (error.Id, error.Phase));
        Assert.Equal(0, connections);
    }

    [Theory]
    [InlineData("PsMigrate", PeerKind.PsMigrate, null)]
    [InlineData("psmigrate", PeerKind.PsMigrate, null)]
    [InlineData("7.2", PeerKind.Qemu, "7.2")]
    [InlineData("10", PeerKind.Qemu, "10.0")]
    [InlineData("10.0.2", PeerKind.Qemu, "10.0.2")]
    public void It_is_said_in_one_word(string text, PeerKind peer, string? release)
    {
        var parameters = new MigrationParameters { Channels = 2 }.WithPeer(text).Validate();
        Assert.Equal((peer, release is null ? null : Version.Parse(release)), (parameters.Peer, parameters.PeerVersion));
    }

    [Theory]
    [InlineData("")]
    [InlineData("QEMU")]
    [InlineData("7.2-rc1")]
    [InlineData("7.1")]
    [InlineData("-1")]
    [InlineData("6")]
    public void What_is_neither_is_an_error(string text)
    {
        var error = Assert.Throws<MigrationException>(() => new MigrationParameters { Channels = 2 }.WithPeer(text).Validate());
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
    }

    MigrationException Fails(MigrationParameters parameters, Func<CancellationToken, IConnection> connect)
    {
        var migration = new OutgoingMigration(0, _guest, "peer", parameters, connect);
        migration.Start();
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, GuestState.Running), (migration.Result!.State, migration.Result.Location, _guest.State));
        return migration.Result.Error!;
    }

    public void Dispose() => GuestRegistry.Remove(_guest);
}
