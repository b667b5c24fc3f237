using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>The policy Adaptive without leave to do more: it holds the switch-over back, by its own rule, where that makes the stop much shorter.</summary>
sealed class ShortenedStop : IPrecopyPolicy
{
    readonly PrecopyScenario _scenario;
    readonly FixedLimits _fixed;
    readonly PolicyEngine _engine;
    readonly PolicyBounds _bounds;
    readonly double _writeRate;

    public ShortenedStop(PrecopyScenario scenario)
    {
        (_scenario, _fixed) = (scenario, new FixedLimits(scenario));
        _bounds = PolicyBounds.Of(new MigrationParameters { MaxDowntime = scenario.MaxDowntime, MaxBandwidth = scenario.MaxBandwidth });
        _engine = new PolicyEngine(BuiltInPolicies.Adaptive, 1, _bounds);
        // In the shortest interval hardly any page is written twice.
        var shortest = scenario.Curve.Points.Where(point => point.Interval > TimeSpan.Zero).MinBy(point => point.Interval);
        _writeRate = shortest is null ? 0 : shortest.Bytes / shortest.Interval.TotalSeconds;
    }

    public TimeSpan MaxDowntime => _engine.DowntimeLimit;

    public long MaxBandwidth => _scenario.MaxBandwidth;

    public PrecopyOrder Order => _fixed.Order;

    public void Begin(double now) => _engine.Begin(PrecopySimulation.Time(now), 0);

    public void AfterPass(in PrecopyMoment moment)
    {
        _fixed.AfterPass(moment);
        Ask(moment, isPassEnd: true);
    }

    public void InWindow(in PrecopyMoment moment) => Ask(moment, isPassEnd: false);

    void Ask(in PrecopyMoment moment, bool isPassEnd) =>
        _engine.Decide(moment.ToInput(isPassEnd, _scenario.SwitchoverBandwidth, [(long)(_writeRate * moment.Now)]), _bounds);
}
