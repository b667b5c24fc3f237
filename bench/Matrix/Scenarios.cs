namespace PsMigrate.Bench.Matrix;

/// <summary>What the parts of the matrix are made of.</summary>
static class Scenarios
{
    // Memory and cap: a first pass of 2 to 6 s.
    static readonly (int Memory, int Cap)[] Sizes = [(64, 40), (128, 60), (256, 100), (512, 150), (1024, 250), (2048, 350)];

    /// <summary>Forecast against actual: each size with each load, most of them twice; some that never end, and some without a limit.</summary>
    public static IReadOnlyList<Scenario> Forecasts { get; } = [.. Sizes.SelectMany(size => Capped(size.Memory, size.Cap)), .. Endless, .. Uncapped];

    /// <summary>With real QEMUs: their memory is that of the machine, and what they write is nearly all that is in it.</summary>
    public static IReadOnlyList<Scenario> Qemus { get; } =
    [
        new(128, GuestLoad.Idle, 64, 0, 40, 300), new(256, GuestLoad.Idle, 128, 0, 80, 300),
        new(256, GuestLoad.Walking, 64, 10, 40, 300), new(256, GuestLoad.Walking, 64, 20, 40, 300), new(256, GuestLoad.Walking, 128, 20, 80, 300),
        new(256, GuestLoad.Walking, 128, 40, 80, 300), new(256, GuestLoad.Walking, 128, 40, 80, 100), new(512, GuestLoad.Walking, 256, 40, 190, 300),
        new(512, GuestLoad.Walking, 256, 40, 190, 30), new(512, GuestLoad.Walking, 192, 80, 150, 300), new(256, GuestLoad.Walking, 16, 200, 100, 300),
        new(256, GuestLoad.Walking, 64, 120, 60, 300), new(512, GuestLoad.Walking, 256, 80, 0, 300),
    ];

    /// <summary>Policies: some that any of them ends, and some that need help.</summary>
    public static IReadOnlyList<Scenario> Policies { get; } =
    [
        new(64, GuestLoad.Idle, 0, 0, 60, 100),
        new(64, GuestLoad.Random, 0, 20, 60, 100), new(64, GuestLoad.Random, 0, 40, 60, 300), new(64, GuestLoad.Random, 16, 100, 60, 300), new(64, GuestLoad.Random, 0, 40, 60, 100, 8),
        new(128, GuestLoad.Random, 0, 50, 100, 100), new(128, GuestLoad.Random, 32, 80, 100, 300),
        new(64, GuestLoad.Sequential, 0, 20, 60, 100), new(128, GuestLoad.Sequential, 0, 40, 100, 300), new(64, GuestLoad.Sequential, 0, 50, 60, 300, 8),
        new(64, GuestLoad.Zipf, 0, 40, 60, 100), new(64, GuestLoad.Zipf, 0, 80, 60, 300), new(128, GuestLoad.Zipf, 0, 100, 100, 300, 8),
        new(64, GuestLoad.Phases, 0, 25, 60, 100), new(128, GuestLoad.Phases, 0, 50, 100, 300),
        // Without help these never end.
        new(64, GuestLoad.Random, 0, 120, 60, 300), new(128, GuestLoad.Random, 0, 200, 100, 300), new(64, GuestLoad.Sequential, 0, 90, 60, 300),
        new(64, GuestLoad.Zipf, 0, 400, 60, 100), new(64, GuestLoad.Phases, 0, 120, 60, 100),
    ];

    /// <summary>The guest of BASELINES that QEMU 7.2 never finishes: 100 k pages/s over 256 MiB, 200 MB/s, 300 ms.</summary>
    public static Scenario Baseline { get; } = new(2048, GuestLoad.Walking, 256, 391, 190, 300, 8);

    static Scenario[] Endless =>
    [
        new(64, GuestLoad.Random, 0, 120, 40, 300), new(256, GuestLoad.Random, 128, 400, 100, 100), new(128, GuestLoad.Sequential, 0, 120, 60, 300),
        new(128, GuestLoad.Zipf, 0, 500, 40, 100),
    ];

    static Scenario[] Uncapped =>
    [
        new(2048, GuestLoad.Idle, 0, 0, 0, 300), new(256, GuestLoad.Random, 0, 40, 0, 100), new(1024, GuestLoad.Random, 0, 200, 0, 300),
        new(512, GuestLoad.Zipf, 0, 200, 0, 300), new(512, GuestLoad.Sequential, 0, 100, 0, 100), new(256, GuestLoad.Growing, 0, 100, 0, 100),
    ];

    static IEnumerable<Scenario> Capped(int memory, int cap)
    {
        yield return new(memory, GuestLoad.Idle, 0, 0, cap, 300);
        yield return new(memory, GuestLoad.Sequential, 0, 3 * cap / 10, cap, 300, 8);
        yield return new(memory, GuestLoad.Sequential, 0, 6 * cap / 10, cap, 100);
        yield return new(memory, GuestLoad.Random, 0, 3 * cap / 10, cap, 100);
        yield return new(memory, GuestLoad.Random, memory / 4, 3 * cap / 2, cap, 300, 8);
        yield return new(memory, GuestLoad.Zipf, 0, 6 * cap / 10, cap, 100);
        yield return new(memory, GuestLoad.Zipf, 0, 12 * cap / 10, cap, 300, 8);
        yield return new(memory, GuestLoad.Phases, 0, 3 * cap / 10, cap, 100);
        yield return new(memory, GuestLoad.Phases, memory / 4, 6 * cap / 10, cap, 300, 8);
        yield return new(memory, GuestLoad.Growing, 0, 3 * cap / 10, cap, 300);
        yield return new(memory, GuestLoad.Growing, memory / 2, 5 * cap / 10, cap, 100, 8);
    }
}
