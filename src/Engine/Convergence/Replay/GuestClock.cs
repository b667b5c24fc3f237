namespace PsMigrate.Engine.Convergence;

/// <summary>
/// The time that a vCPU has for itself, which stands while it is held back: what it writes depends on that alone. Of the recorded migration
/// it is known pass by pass; in a replay it goes on as slowly as the vCPU is held back there. Seconds. One thread.
/// </summary>
sealed class GuestClock
{
    readonly double[] _passes;
    double _since;
    double _own;
    double _speed = 1;

    /// <param name="passes">The time that it had in each recorded pass.</param>
    /// <param name="now">When the replay's first pass begins.</param>
    public GuestClock(IReadOnlyList<double> passes, double now)
    {
        _passes = new double[passes.Count + 1];
        for (var pass = 0; pass < passes.Count; pass++) _passes[pass + 1] = _passes[pass] + Math.Max(passes[pass], 1e-6);
        _since = now;
    }

    /// <summary>Its own time in all that was recorded.</summary>
    public double Recorded => _passes[^1];

    /// <summary>When a recorded pass began, in its own time.</summary>
    public double PassStart(int pass) => _passes[pass];

    /// <summary>In which recorded pass a time of its own lies.</summary>
    public int PassAt(double time)
    {
        var at = Array.BinarySearch(_passes, time);
        return Math.Clamp(at >= 0 ? at : ~at - 1, 0, _passes.Length - 2);
    }

    /// <summary>How long that was.</summary>
    public double PassLength(int pass) => _passes[pass + 1] - _passes[pass];

    /// <summary>Its own time at a moment of the replay, not before the last change of its speed.</summary>
    public double At(double now) => _own + (Math.Max(0, now - _since) * _speed);

    /// <summary>How long it was held back up to a moment of the replay.</summary>
    public double HeldAt(double now) => HeldBefore + (Math.Max(0, now - _since) * (1 - _speed));

    double HeldBefore { get; set; }

    /// <summary>From here on it has this share of the time, 0 to 1.</summary>
    public void SetSpeed(double now, double speed)
    {
        (_own, HeldBefore, _since) = (At(now), HeldAt(now), Math.Max(now, _since));
        _speed = speed;
    }
}
