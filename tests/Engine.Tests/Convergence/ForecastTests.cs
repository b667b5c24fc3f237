using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Passes that shrink by the ratio of dirty rate to bandwidth, until what is left fits.</summary>
public sealed class ForecastTests
{
    static TimeSpan? Ask(long pending, double? dirty, double bandwidth, long threshold) => Patience.Within(
        () => Forecast.TimeToSwitchover(new ForecastInput(pending, dirty, bandwidth, threshold)), $"{pending} {dirty} {bandwidth} {threshold}");

    [Fact]
    public void Without_a_bandwidth_there_is_no_forecast()
    {
        Assert.Null(Ask(1000, 10, 0, 10));
        Assert.Null(Ask(0, null, 0, 10));
    }

    [Fact]
    public void What_fits_already_takes_no_time() => Assert.Equal(TimeSpan.Zero, Ask(1000, 1e9, 100, 1000));

    [Fact]
    public void A_quiet_guest_takes_one_pass()
    {
        Assert.Equal(TimeSpan.FromSeconds(10), Ask(1000, 0, 100, 0));
        Assert.Equal(TimeSpan.FromSeconds(10), Ask(1000, null, 100, 0));
    }

    [Fact]
    public void Passes_shrink_by_the_ratio()
    {
        // 1000 → 500 → 250 → 125: ten, five and two and a half seconds.
        Assert.Equal(TimeSpan.FromSeconds(17.5), Ask(1000, 50, 100, 125));
        Assert.Equal(TimeSpan.FromSeconds(18.75), Ask(1000, 50, 100, 124));
    }

    [Theory]
    [InlineData(98)]
    [InlineData(100)]
    [InlineData(1e12)]
    public void Passes_that_hardly_shrink_have_no_forecast(double dirty) => Assert.Null(Ask(1000, dirty, 100, 10));

    [Fact]
    public void A_month_is_as_good_as_never()
    {
        Assert.Null(Ask(long.MaxValue, 0, 1, 0));
        Assert.NotNull(Ask((long)TimeSpan.FromDays(29).TotalSeconds, 0, 1, 0));
    }

    [Theory]
    [InlineData(1, 0.97, 1.0)]
    [InlineData(4096, 2.9, 3.0)]
    [InlineData(long.MaxValue, 97e9, 100e9)]
    [InlineData(1, 5e-324, 1e-300)]
    public void It_ends_also_when_nothing_may_be_left(long pending, double dirty, double bandwidth) => _ = Ask(pending, dirty, bandwidth, 0);

    [Fact]
    public void Percent_never_goes_back_and_never_reaches_100_before_the_end()
    {
        Assert.Null(Forecast.Percent(TimeSpan.FromSeconds(5), null, 40));
        Assert.Equal(50, Forecast.Percent(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), 0));
        Assert.Equal(60, Forecast.Percent(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), 60));
        Assert.Equal(99, Forecast.Percent(TimeSpan.FromDays(1), TimeSpan.Zero, 0));
        Assert.Equal(7, Forecast.Percent(TimeSpan.Zero, TimeSpan.Zero, 7));
    }
}
