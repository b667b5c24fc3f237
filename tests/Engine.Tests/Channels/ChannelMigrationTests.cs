using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>Guests of ours go through channels to a receiver of ours; the memories of both ends are compared.</summary>
public sealed class ChannelMigrationTests
{
    [Theory]
    [InlineData(1, GuestWorkload.HotSpot)]
    [InlineData(2, GuestWorkload.Random)]
    [InlineData(3, GuestWorkload.WalkingIncrement)]
    [InlineData(16, GuestWorkload.HotSpot)]
    public void A_dirtying_guest_arrives_byte_for_byte(int channels, GuestWorkload workload)
    {
        var options = TestGuests.Options(workload, 96 * TestGuests.MiB, rate: 150 * TestGuests.MiB);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        try
        {
            // Several passes: it can't get below what the guest writes until it is told to switch over.
            var state = Migrate(TestGuests.Create(options), receiver.Uri, Asked(channels), passes: 3);
            Assert.True(state.Iterations.Length > 3, $"Only {state.Iterations.Length} passes.");
            AssertRunsOnlyThere(options, receiver.HostName);
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal((state.Current.NormalPages, state.Current.ZeroPages), (arrival.NormalPages, arrival.ZeroPages));
            Assert.Equal(state.Current.TransferredBytes + (64 * channels), arrival.ReceivedBytes);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, receiver.HostName);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Over_a_local_link_and_a_unix_socket_too(int channels)
    {
        var folder = Directory.CreateTempSubdirectory("psmigrate-channels-");
        var options = TestGuests.Options(size: 48 * TestGuests.MiB);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), Uri = MigrationUri.Parse($"unix:{folder}/socket") });
        try
        {
            var (middle, guest) = (TestGuests.UniqueName("middle"), TestGuests.Create(options));
            Migrate(guest, MigrationUri.Parse($"local:{middle}"), Asked(channels));
            var halfway = AssertRunsOnlyThere(options, middle);
            halfway.Resume();
            Migrate(halfway, receiver.Uri, Asked(channels));
            AssertRunsOnlyThere(options, receiver.HostName);
            Assert.Empty(TestGuests.On(middle));
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, receiver.HostName);
            folder.Delete(recursive: true);
        }
    }

    static MigrationParameters Asked(int channels) => new()
    {
        Channels = channels, Verify = true, MaxBandwidth = 200 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(1), SettleTimeout = TimeSpan.Zero,
    };

    static MigrationState Migrate(MemoryGuest guest, MigrationUri destination, MigrationParameters parameters, int passes = 2)
    {
        var migration = Migration.Start(guest, destination, parameters);
        migration.LetEndAfter(passes);
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        var state = migration.GetState();
        Assert.Null(state.Error);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, PeerKind.PsMigrate), (state.State, state.Location, state.Peer));
        Assert.NotNull(state.Result!.SourceDigest);
        Assert.Equal(state.Result.SourceDigest, state.Result.DestinationDigest);
        return state;
    }

    static MemoryGuest AssertRunsOnlyThere(GuestOptions options, string host)
    {
        Assert.Empty(TestGuests.On(options.Host));
        var arrived = Assert.Single(TestGuests.On(host));
        Assert.Equal(GuestState.Running, arrived.State);
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(options, arrived);
        return arrived;
    }
}
