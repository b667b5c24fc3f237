namespace PsMigrate.Engine.Convergence;

/// <summary>Whether passes still bring something: how much each of them left. Aligned to passes, not to time. One thread.</summary>
sealed class PassHistory
{
    // Less than so much below the best one is no progress.
    const double Progress = 0.95;

    long _best;

    /// <summary>The least that any pass left, bytes; null before the first has ended.</summary>
    public long? Least { get; private set; }

    /// <summary>How many passes in a row brought no progress.</summary>
    public int Stalled { get; private set; }

    /// <summary>A pass has ended, and so much is left.</summary>
    public void Add(long pending)
    {
        if (Least is null || pending < _best * Progress)
        {
            (_best, Stalled) = (pending, 0);
        }
        else
        {
            Stalled++;
        }
        Least = Math.Min(Least ?? pending, pending);
    }

    /// <summary>What is left by the least that was; null before the first pass has ended.</summary>
    public double? ToLeast(long pending) => Least switch
    {
        null => null,
        0 => pending == 0 ? 1 : double.PositiveInfinity,
        { } least => (double)pending / least,
    };
}
