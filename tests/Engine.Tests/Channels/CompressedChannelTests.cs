using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>Guests of ours go through compressed channels to a receiver of ours; the memories of both ends are compared.</summary>
public sealed class CompressedChannelTests
{
    [Theory]
    [InlineData(MigrationCompression.Zlib, 1, MigrationMeans.Qemu)]
    [InlineData(MigrationCompression.Zlib, 1, MigrationMeans.Adaptive)]
    [InlineData(MigrationCompression.Zstd, 1, MigrationMeans.Qemu)]
    [InlineData(MigrationCompression.Zstd, -7, MigrationMeans.Qemu)]
    [InlineData(MigrationCompression.Zstd, 3, MigrationMeans.Adaptive)]
    public void A_dirtying_guest_arrives_byte_for_byte(MigrationCompression method, int level, MigrationMeans means)
    {
        var options = TestGuests.Options(GuestWorkload.Random, 96 * TestGuests.MiB, rate: 30 * TestGuests.MiB) with { ContentSize = 96 * TestGuests.MiB };
        var state = Migrate(options, Asked(method, means) with
        {
            CompressionLevel = level, MaxBandwidth = 100 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(2),
        });
        Assert.True(state.Iterations.Sum(pass => pass.Pages) > state.Current.TotalBytes / 4096, "No page went twice.");
        var figures = state.Current.Compression!;
        Assert.Equal(state.Current.NormalPages, figures.Pages + figures.PlainPages);
        Assert.InRange(figures.Pages, 1, long.MaxValue);
        if (means == MigrationMeans.Qemu) Assert.Equal(0, figures.PlainPages);
        // Half of what is not zero is random, half is text.
        Assert.InRange(figures.CompressionRate, 1.2, 3);
        Assert.InRange(state.Current.TransferredBytes, figures.CompressedSize, figures.CompressedSize + (figures.PlainPages * 4096) + (4 << 20));
    }

    [Fact]
    public void Where_nothing_compresses_it_is_left_off_and_each_channel_says_so()
    {
        var options = TestGuests.Options(GuestWorkload.Idle, 128 * TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 128 * TestGuests.MiB };
        var state = Migrate(options, Asked(MigrationCompression.Zstd, MigrationMeans.Adaptive));
        var decisions = state.Decisions.Where(decision => decision.What.StartsWith("Compression of channel", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(decisions);
        Assert.Equal(decisions.Length, decisions.Select(decision => decision.What).Distinct().Count());
        foreach (var decision in decisions)
        {
            Assert.Equal(("Zstd", "none"), (decision.From, decision.To));
            Assert.Matches(@"^Compressed, pages take [\d.]+ % of their size\.$", decision.Reason);
        }
        Assert.InRange(state.Current.Compression!.PlainPages, 1, 128 << 8);
    }

    [Fact]
    public void A_limit_of_bandwidth_keeps_it_on()
    {
        var options = TestGuests.Options(GuestWorkload.Idle, 96 * TestGuests.MiB) with { Content = GuestContent.Text, ContentSize = 96 * TestGuests.MiB };
        var state = Migrate(options, Asked(MigrationCompression.Zstd, MigrationMeans.Adaptive) with { MaxBandwidth = 20 * TestGuests.MiB });
        Assert.Equal(0, state.Current.Compression!.PlainPages);
        Assert.InRange(state.Current.Compression.CompressionRate, 3, 6);
    }

    [Fact]
    public void Without_compression_there_are_no_figures_of_it() =>
        Assert.Null(Migrate(TestGuests.Options(), Asked(MigrationCompression.None, MigrationMeans.Adaptive)).Current.Compression);

    [Theory]
    [InlineData(0, 4, 0)]
    [InlineData(1, 4, 1)]
    [InlineData(3, 4, 1)]
    [InlineData(4, 4, 1)]
    [InlineData(400, 4, 100)]
    public void A_channel_has_a_share_of_the_bandwidth_and_a_limit_where_there_is_one(long bandwidth, int channels, long share) =>
        Assert.Equal(share, new ChannelPlan(channels, PeerKind.PsMigrate, Guid.Empty, MultifdDialect.Ours).ShareOf(bandwidth));

    static MigrationParameters Asked(MigrationCompression method, MigrationMeans means) => new()
    {
        Channels = 2, Compression = method, Means = means, Verify = true, MaxBandwidth = 400 * TestGuests.MiB,
        MaxDowntime = TimeSpan.FromMilliseconds(10), SettleTimeout = TimeSpan.Zero,
    };

    static MigrationState Migrate(GuestOptions options, MigrationParameters parameters)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        try
        {
            var migration = Migration.Start(TestGuests.Create(options), receiver.Uri, parameters);
            migration.LetEndAfter(3);
            Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
            var state = migration.GetState();
            Assert.Null(state.Error);
            Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (state.State, state.Location));
            Assert.NotNull(state.Result!.SourceDigest);
            Assert.Equal(state.Result.SourceDigest, state.Result.DestinationDigest);
            return state;
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, receiver.HostName);
        }
    }
}
