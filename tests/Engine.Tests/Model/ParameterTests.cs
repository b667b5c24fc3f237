using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Model;

/// <summary>What a user can ask for, and what not: refused at once, with a stable id, and nothing has changed.</summary>
public sealed class ParameterTests
{
    static readonly MigrationParameters Good = new();

    public static TheoryData<string, MigrationParameters> Bad => new()
    {
        { "MaxDowntime", Good with { MaxDowntime = TimeSpan.Zero } },
        { "MaxDowntime", Good with { MaxDowntime = TimeSpan.FromMicroseconds(999) } },
        { "MaxDowntime", Good with { MaxDowntime = TimeSpan.FromMilliseconds(-300) } },
        { "MaxDowntime", Good with { MaxDowntime = TimeSpan.FromSeconds(2000.001) } },
        { "MaxBandwidth", Good with { MaxBandwidth = -1 } },
        { "SwitchoverBandwidth", Good with { SwitchoverBandwidth = long.MinValue } },
        { "Timeout", Good with { Timeout = TimeSpan.Zero } },
        { "Timeout", Good with { Timeout = TimeSpan.FromSeconds(-1) } },
        { "ConnectTimeout", Good with { ConnectTimeout = TimeSpan.Zero } },
        { "ConnectTimeout", Good with { ConnectTimeout = TimeSpan.MaxValue } },
        { "AnswerTimeout", Good with { AnswerTimeout = TimeSpan.FromTicks(-1) } },
        { "AnswerTimeout", Good with { AnswerTimeout = TimeSpan.FromDays(25) } },
        { "SettleTimeout", Good with { SettleTimeout = TimeSpan.FromTicks(-1) } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_parameter_outside_its_range_is_named(string name, MigrationParameters parameters)
    {
        var error = Assert.Throws<MigrationException>(parameters.Validate);
        Assert.Equal((MigrationErrorId.InvalidParameter, MigrationSide.User), (error.Id, error.Side));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle));
        Assert.Throws<MigrationException>(() => Migration.Start(rig.Guest, Engine.Transport.MigrationUri.Parse("local:x"), parameters));
        Assert.False(rig.Guest.IsBusy);
    }

    [Fact]
    public void The_ends_of_the_ranges_are_allowed()
    {
        (Good with { MaxDowntime = TimeSpan.FromMilliseconds(1), MaxBandwidth = 1, SwitchoverBandwidth = long.MaxValue }).Validate();
        (Good with { MaxDowntime = TimeSpan.FromSeconds(2000), Timeout = TimeSpan.MaxValue, SettleTimeout = TimeSpan.Zero }).Validate();
        foreach (var level in new[] { -100, 20 }) (Good with { Channels = 1, Compression = MigrationCompression.Zstd, CompressionLevel = level }).Validate();
        foreach (var level in new[] { 0, 9 }) (Good with { Channels = 1, Compression = MigrationCompression.Zlib, CompressionLevel = level }).Validate();
        Assert.Equal(TimeSpan.FromMilliseconds(300), Good.MaxDowntime);
    }

    [Fact]
    public void The_longest_time_limit_works()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, TestGuests.MiB));
        rig.Parameters = rig.Parameters with { Timeout = TimeSpan.MaxValue, AnswerTimeout = TimeSpan.FromDays(24), MaxBandwidth = long.MaxValue, SwitchoverBandwidth = long.MaxValue };
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
    }

    [Theory]
    [InlineData(1L)]
    [InlineData(9L)]
    [InlineData(100L)]
    public void The_smallest_bandwidths_go_on_all_the_same(long bandwidth)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, 64 << 10) with { Content = GuestContent.Zero });
        rig.Parameters = rig.Parameters with { MaxBandwidth = bandwidth };
        rig.Start();
        // A record at least in each window of 100 ms.
        Patience.Until(() => rig.Outgoing!.GetState().Current.ZeroPages >= 3, "the third page");
        rig.Outgoing!.Complete();
        Assert.True(rig.Finish().Verified);
    }
}
