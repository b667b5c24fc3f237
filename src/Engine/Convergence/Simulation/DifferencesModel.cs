using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>When a simulated sender keeps pages and sends differences of them: <see cref="MeansRule"/> in figures of a whole pass. Pure.</summary>
sealed class DifferencesModel(PrecopyScenario scenario)
{
    // As in MeansRule.
    const double BusyShare = 0.3;
    const double LeastGain = 0.05;

    int _passes;

    /// <summary>Whether they are in use, and none could be found yet: in one pass what goes is kept, and in the next one found.</summary>
    public bool AreAwaited => AreUsed && _passes < 2;

    /// <summary>Whether they are in use.</summary>
    public bool AreUsed { get; private set; }

    /// <summary>Whether they were begun in the first pass.</summary>
    public bool HasBegunEarly { get; private set; }

    /// <summary>In the first pass, once a window: only where a limit binds.</summary>
    /// <param name="memory">What it goes through.</param>
    /// <param name="now">When.</param>
    /// <param name="sent">Pages that went, bytes.</param>
    /// <param name="bandwidth">What the link carries.</param>
    /// <param name="threshold">What may be left.</param>
    public void LookInFirstPass(IPrecopyMemory memory, double now, double sent, double bandwidth, double threshold)
    {
        if (AreUsed || scenario.Differences == DifferencesUse.Never || !BottleneckRule.IsCapped(bandwidth, scenario.MaxBandwidth)) return;
        var (again, left) = memory.Peek(now);
        var begins = scenario.Differences == DifferencesUse.Asked
            ? (sent * (1 - scenario.Shares.Zero)) + left <= scenario.CacheSize
            : again > threshold && left <= MeansRule.MostCache && Pays(isCapped: true);
        if (begins) Begin(memory);
        HasBegunEarly = begins;
    }

    /// <summary>After each pass.</summary>
    public void LookAfterPass(IPrecopyMemory memory, double dirty, double dirtyRate, double bandwidth, double threshold, bool isFirst)
    {
        if (AreUsed) _passes++;
        if (AreUsed || dirty <= threshold) return;
        if (scenario.Differences == DifferencesUse.Asked && isFirst) Begin(memory);
        if (scenario.Differences != DifferencesUse.Adaptive) return;
        var isCapped = BottleneckRule.IsCapped(bandwidth, scenario.MaxBandwidth);
        if ((isCapped || dirtyRate >= BusyShare * bandwidth) && Pays(isCapped)) Begin(memory);
    }

    void Begin(IPrecopyMemory memory)
    {
        AreUsed = true;
        memory.KeepsPages = true;
    }

    /// <summary>Under a limit the looking costs no time; else it must take less than what it saves.</summary>
    bool Pays(bool isCapped)
    {
        var saved = scenario.Shares.Fresh - scenario.Shares.Again;
        return isCapped ? saved >= LeastGain : saved / scenario.Bandwidth >= 1 / scenario.Sender.SmallPages;
    }
}
