namespace PsMigrate.Engine.Convergence;

/// <summary>
/// The periods over which QEMU compares what was dirtied with what was sent (migration_bitmap_sync): they end with a look at the log that
/// comes more than a second after their begin. Knows no clock. One thread.
/// </summary>
sealed class ThrottlePeriod
{
    static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    TimeSpan? _start;
    long _sentAtStart;
    long _dirtied;

    /// <summary>A look at the log. The period that ends with it, if one does.</summary>
    /// <param name="now">Any clock.</param>
    /// <param name="dirtied">Bytes of pages that it found.</param>
    /// <param name="sent">Bytes sent in all.</param>
    public (long Dirtied, long Sent)? Look(TimeSpan now, long dirtied, long sent)
    {
        if (_start is not { } start)
        {
            Begin(now, sent);
            return null;
        }
        _dirtied += dirtied;
        if (now - start <= Shortest) return null;
        var period = (_dirtied, sent - _sentAtStart);
        Begin(now, sent);
        return period;
    }

    void Begin(TimeSpan now, long sent) => (_start, _sentAtStart, _dirtied) = (now, sent, 0);
}
