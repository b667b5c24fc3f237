namespace PsMigrate.Engine.Convergence;

/// <summary>
/// What is left where pages were kept in the first pass, to make differences of: those that went, and are likely to go as a few bytes, and those that never
/// did. That is so until a pass has ended of which all had gone before: it shows what differences bring. Bytes of pages. Pure.
/// </summary>
struct KeptPages
{
    double _left;
    double _sentThen;
    bool _isBegun;
    bool _isOver;

    /// <summary>Whether differences have still to be tried.</summary>
    public readonly bool IsTrial => _isBegun && !_isOver;

    /// <summary>The first pass is over, in which pages were kept.</summary>
    /// <param name="left">What had not gone then.</param>
    /// <param name="sent">What had.</param>
    public void Begin(double left, double sent) => (_left, _sentThen, _isBegun) = (left, sent, true);

    /// <summary>A later pass is over.</summary>
    /// <param name="sentBefore">What had gone when it began.</param>
    public void EndPass(double sentBefore) => _isOver |= NeverSent(sentBefore) <= 0;

    /// <summary>How much of what is left never went, about: a pass goes on where the one before ended, or where a guest that walks is met last.</summary>
    public readonly double NeverSent(double sent) => Math.Max(0, _left - (sent - _sentThen));
}
