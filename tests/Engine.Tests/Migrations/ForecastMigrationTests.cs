using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Forecasts of guests that are there, and what is known of links.</summary>
public sealed class ForecastMigrationTests : IDisposable
{
    const long MiB = TestGuests.MiB;
    readonly string _there = TestGuests.UniqueName("there");
    readonly MemoryGuest _guest = TestGuests.Create();

    [Fact]
    public void A_guest_is_as_it_was_after_a_forecast()
    {
        var forecast = Forecast(bandwidth: 100 * MiB);
        Assert.Equal((_guest.Name, _guest.Host, BandwidthOrigin.Given), (forecast.Name, forecast.HostName, forecast.BandwidthOrigin));
        Assert.Equal(_guest.MemorySize, forecast.Curve.TotalBytes);
        Assert.False(_guest.IsBusy);
        Assert.Equal(GuestState.Running, _guest.State);
    }

    [Fact]
    public void From_the_curve_alone_it_is_made_again()
    {
        using var random = new Removed(TestGuests.Create(TestGuests.Options(GuestWorkload.Random, 32 * MiB, rate: 4 * MiB) with { Content = GuestContent.Random, ContentSize = 0 }));
        var parameters = new MigrationParameters { MaxBandwidth = 20 * MiB };
        var forecast = MigrationForecasts.Make(random.Guest, There, parameters, Measure(random.Guest), 500 * MiB);
        var again = MigrationForecasts.Recast(forecast.Curve, There, parameters, 500 * MiB, isOurs: true);
        Assert.Equal((forecast.Verdict, forecast.TotalTime, forecast.Downtime), (again.Verdict, again.TotalTime, again.Downtime));
        Assert.Equal(forecast.TransferredBytes, again.TransferredBytes);
    }

    [Fact]
    public void Nothing_known_of_the_link_is_an_error()
    {
        var nowhere = MigrationUri.Parse($"tcp:{TestGuests.UniqueName("nowhere")}:4444");
        Assert.False(MigrationForecasts.IsLinkKnown(nowhere, new MigrationParameters()));
        Assert.True(MigrationForecasts.IsLinkKnown(nowhere, new MigrationParameters { MaxBandwidth = MiB }));
        var error = Assert.Throws<MigrationException>(() => MigrationForecasts.Make(_guest, nowhere, new MigrationParameters(), Measure(_guest)));
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_link_that_carries_nothing_is_an_error(double bandwidth)
    {
        var error = Assert.Throws<MigrationException>(() => Forecast(bandwidth));
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
    }

    [Fact]
    public void The_result_has_the_promise_and_the_bytes_are_the_same_at_both_ends()
    {
        var promise = Forecast(bandwidth: 500 * MiB).Promise;
        var migration = Migration.Start(_guest, There, new MigrationParameters { Promise = promise, Verify = true });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(MigrationStatus.Completed, migration.Result!.State);
        Assert.True(migration.Result.Verified);
        Assert.Same(promise, migration.Result.Promised);
    }

    [Fact]
    public void A_migration_to_the_same_place_is_remembered()
    {
        using var other = new Removed(TestGuests.Create(TestGuests.Options(GuestWorkload.Idle, 32 * MiB, rate: 0) with { Content = GuestContent.Random, ContentSize = 0 }));
        var migration = Migration.Start(other.Guest, There, new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit));
        var forecast = Forecast(bandwidth: null);
        Assert.Equal(BandwidthOrigin.Remembered, forecast.BandwidthOrigin);
        Assert.True(forecast.Bandwidth > 0);
    }

    public void Dispose() => TestGuests.RemoveAll(_guest.Host, _there);

    MigrationUri There => MigrationUri.Parse($"local:{_there}");

    MigrationForecast Forecast(double? bandwidth) =>
        MigrationForecasts.Make(_guest, There, new MigrationParameters { MaxBandwidth = 50 * MiB }, Measure(_guest), bandwidth);

    static GuestDirtyRate Measure(MemoryGuest guest)
    {
        using var measurement = guest.MeasureDirtyRate(new DirtyRateOptions { Duration = TimeSpan.FromMilliseconds(100) });
        GuestDirtyRate? rate = null;
        Patience.Until(() => (rate = measurement.TryFinish(TimeSpan.FromMilliseconds(20))) is not null, "the measurement");
        return rate!;
    }

    sealed class Removed(MemoryGuest guest) : IDisposable
    {
        public MemoryGuest Guest => guest;

        public void Dispose() => TestGuests.RemoveAll(guest.Host);
    }
}
