using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model;

public sealed class WatchedTimeTests
{
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    [Fact]
    public void What_passes_while_nobody_looks_counts_for_two_looks_at_most()
    {
        var time = new WatchedTime(Look);
        for (var looks = 1; looks <= 3; looks++)
        {
            Thread.Sleep(5 * Look);
            Assert.Equal(2 * looks * Look, time.Look());
        }
    }

    [Fact]
    public void It_goes_on_while_somebody_looks_and_begins_anew_when_told()
    {
        var time = new WatchedTime(TimeSpan.FromHours(1));
        var before = time.Look();
        Thread.Sleep(Look);
        Assert.True(time.Look() - before >= Look / 2);
        time.Restart();
        Assert.True(time.Look() >= TimeSpan.Zero);
    }
}
