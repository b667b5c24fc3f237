namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How fast something that gets less has got less lately: between now and a moment that lies one to two spans back. Seconds. Pure.
/// </summary>
sealed class RecentSpeed
{
    const double Span = 2;

    // Less than two windows says nothing.
    const double Shortest = 0.2;

    (double Time, double Value)? _from;
    (double Time, double Value) _next;
    double _speed;

    /// <summary>What was before says nothing of what comes.</summary>
    public void Restart() => (_from, _speed) = (null, 0);

    /// <summary>So much is left at that moment.</summary>
    public void Add(double time, double value)
    {
        if (_from is not { } from)
        {
            (_from, _next) = ((time, value), (time, value));
            return;
        }
        if (time - _next.Time >= Span) (_from, _next) = (from = _next, (time, value));
        if (time - from.Time >= Shortest) _speed = (from.Value - value) / (time - from.Time);
    }

    /// <summary>How long so much will take; null before that is known, or where it does not get less.</summary>
    public double? TimeFor(double value) => _speed > 0 ? value / _speed : null;
}
