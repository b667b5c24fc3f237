namespace PsMigrate.Engine.Convergence;

/// <summary>Nobody decides anything: it is given up when passes get nowhere.</summary>
sealed class FixedLimits(PrecopyScenario scenario) : IPrecopyPolicy
{
    // Passes without getting anywhere after which the guest and the link have settled for good.
    const int Settled = 12;
    const double Progress = 0.99;

    double _least = double.PositiveInfinity;
    int _vain;

    public TimeSpan MaxDowntime => scenario.MaxDowntime;

    public long MaxBandwidth => scenario.MaxBandwidth;

    public PrecopyOrder Order => _vain < Settled ? PrecopyOrder.None : PrecopyOrder.GiveUp;

    public void Begin(double now)
    {
    }

    public void AfterPass(in PrecopyMoment moment)
    {
        _vain = moment.Pending < _least * Progress ? 0 : _vain + 1;
        _least = Math.Min(_least, moment.Pending);
    }

    public void InWindow(in PrecopyMoment moment)
    {
    }
}
