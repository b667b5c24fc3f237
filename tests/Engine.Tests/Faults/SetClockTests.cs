using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>Somebody sets the clock, a day back or forth, again and again: nothing but the time that records show changes.</summary>
[Collection("Alone")]
public sealed class SetClockTests : IDisposable
{
    static readonly TimeSpan Day = TimeSpan.FromDays(1);
    readonly Set _clock = new();

    public SetClockTests() => WallClock.Provider = _clock;

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void In_each_phase_and_in_each_wait_nothing_takes_longer_or_shorter(int direction)
    {
        using var rig = new Rig { Parameters = new() { Verify = true, Timeout = Patience.Limit, MaxBandwidth = 20 * TestGuests.MiB } };
        rig.PhaseEntered = _ => _clock.Move(direction * Day);
        // Between a question and its answer, at either end.
        rig.SourceTap = (_, _) => _clock.Move(-direction * Day);
        rig.DestinationTap = (_, _) => _clock.Move(2 * direction * Day);
        var result = rig.Finish();
        Assert.True(result.Verified, $"{result.Error}");
        Assert.True(_clock.Moves > 20);
        AssertPlausible(result.TotalTime, result.SetupTime, result.Downtime, rig.Arrival!.Elapsed, rig.Arrival.LoadTime, rig.Arrival.StartTime);
        var state = rig.Outgoing!.GetState();
        Assert.Equal(state.Iterations.Select(one => one.Iteration).Order(), state.Iterations.Select(one => one.Iteration));
        foreach (var one in state.Iterations) AssertPlausible(one.Duration);
        foreach (var phase in state.Phases) AssertPlausible(phase.Duration);
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void A_limit_is_over_when_it_is_over(int direction)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Sequential, 4 * TestGuests.MiB, rate: 160 * TestGuests.MiB) with { Content = GuestContent.Random })
        {
            Parameters = new()
            {
                MaxBandwidth = 16 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(10), Means = MigrationMeans.Qemu, Timeout = TimeSpan.FromSeconds(1),
            },
        };
        rig.PhaseEntered = _ => _clock.Move(direction * Day);
        var result = rig.Finish();
        Assert.Equal((MigrationErrorId.Timeout, GuestLocation.Source), (result.Error!.Id, result.Location));
        // Not at once, as it would be by a clock that was set.
        Assert.True(result.TotalTime > TimeSpan.FromSeconds(0.5), $"{result.TotalTime}");
        AssertPlausible(result.TotalTime);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Nothing_else_asks_for_the_time_of_day()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "PsMigrate.sln"))) root = Path.GetDirectoryName(root)!;
        var files = Directory.GetFiles(Path.Combine(root, "src", "Engine"), "*.cs", SearchOption.AllDirectories);
        Assert.True(files.Length > 100);
        string[] clocks = ["DateTime.UtcNow", "DateTime.Now", "DateTimeOffset.UtcNow", "DateTimeOffset.Now"];
        foreach (var file in files)
            foreach (var clock in clocks) Assert.False(File.ReadAllText(file).Contains(clock, StringComparison.Ordinal), $"{file} asks for {clock}; WallClock tells the time.");
    }

    static void AssertPlausible(params TimeSpan[] durations)
    {
        foreach (var duration in durations) Assert.InRange(duration, TimeSpan.Zero, Patience.Limit);
    }

    public void Dispose() => WallClock.Provider = TimeProvider.System;

    sealed class Set : TimeProvider
    {
        long _offset;
        int _moves;

        public int Moves => Volatile.Read(ref _moves);

        public void Move(TimeSpan by)
        {
            Interlocked.Add(ref _offset, by.Ticks);
            Interlocked.Increment(ref _moves);
        }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Volatile.Read(ref _offset) % (400 * TimeSpan.TicksPerDay));
    }
}
