namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>In what order a vCPU of the model writes to its pages.</summary>
public enum ModelWriting
{
    InTurn,
    ByChance,
    HotSpot,
}

/// <summary>A vCPU of the model: which pages it writes, how many a second, and from when on how many.</summary>
/// <param name="Writing">In what order.</param>
/// <param name="Rate">Pages a second.</param>
/// <param name="First">Its first page.</param>
/// <param name="Count">How many pages are its.</param>
/// <param name="Later">Pages a second, after so many seconds.</param>
sealed record ModelCpu(ModelWriting Writing, double Rate, int First, int Count, (double After, double Rate)? Later = null);

/// <summary>Pages and who writes them, in virtual time: each is a bit in the log. Seeded.</summary>
sealed class ModelGuest(int pages, ModelCpu[] cpus, int seed)
{
    readonly Random _random = new(seed);
    readonly double[] _owed = new double[cpus.Length];
    readonly int[] _next = new int[cpus.Length];

    public int Pages => pages;

    public bool[] Log { get; } = new bool[pages];

    public long[] Written { get; } = new long[cpus.Length];

    /// <summary>How long each vCPU was held back, seconds.</summary>
    public double[] Held { get; } = new double[cpus.Length];

    public void Run(double now, double seconds, IReadOnlyList<int> throttles)
    {
        for (var at = 0; at < cpus.Length; at++)
        {
            var cpu = cpus[at];
            var rate = cpu.Later is { } later && now >= later.After ? later.Rate : cpu.Rate;
            Held[at] += seconds * throttles[at] / 100;
            _owed[at] += rate * seconds * (100 - throttles[at]) / 100;
            for (; _owed[at] >= 1; _owed[at]--, Written[at] += 4096) Log[cpu.First + Page(cpu, at)] = true;
        }
    }

    int Page(ModelCpu cpu, int at) => cpu.Writing switch
    {
        ModelWriting.InTurn => _next[at] = (_next[at] + 1) % cpu.Count,
        ModelWriting.ByChance => _random.Next(cpu.Count),
        // Each octave as often as the next.
        _ => Math.Min(cpu.Count - 1, _random.Next(1 << _random.Next(1, 1 + (int)Math.Log2(cpu.Count)))),
    };
}
