using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>How a migration of the model ended.</summary>
sealed record ModelOutcome(bool Converged, bool WentOver, double Seconds, double Downtime, double[] Held, int Passes, int MostThrottle, double LeastLimit, PolicyDecision[] Decisions)
{
    public double MostHeld => Held.Max();
}

/// <summary>
/// The sending thread with a clock of its own: page by page in the order of addresses, round and round; a pass ends when what is known to be
/// dirty fits, and then the log is read and the policy asked, as in OutgoingMigration. A page that is sent is taken out of the log.
/// </summary>
sealed class ModelMigration(ModelGuest guest, MigrationPolicy policy, MigrationParameters parameters, double bandwidth)
{
    const double Step = 0.002;
    const double Window = 0.1;
    const int PageSize = 4096;

    readonly bool[] _known = Enumerable.Repeat(true, guest.Pages).ToArray();
    readonly bool[] _taken = new bool[guest.Pages];
    readonly List<PolicyDecision> _decisions = [];
    long _left = guest.Pages;
    long _sent;
    int _at;
    double _owed;
    double _now;

    public ModelOutcome Run(double most)
    {
        var bounds = PolicyBounds.Of(parameters);
        var engine = new PolicyEngine(policy, guest.Written.Length, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        var (pass, mostThrottle, leastLimit) = (1, 0, 1.0);
        for (var window = 0.0; _now < most;)
        {
            if (_left * PageSize <= Fits(engine.DowntimeLimit))
            {
                var dirtied = Synchronise();
                var orders = Ask(engine, Input(pass, true, dirtied, engine), bounds);
                if (orders.Contains(PolicyOrder.SwitchToPostcopy)) return Outcome(false, true, pass, mostThrottle, leastLimit);
                var limit = orders.Contains(PolicyOrder.SwitchOver) ? parameters.MaxDowntime : engine.DowntimeLimit;
                if (_left * PageSize <= Fits(limit)) return Outcome(true, false, pass, mostThrottle, leastLimit);
                pass++;
            }
            mostThrottle = Math.Max(mostThrottle, engine.Throttle);
            leastLimit = Math.Min(leastLimit, engine.DowntimeLimit / parameters.MaxDowntime);
            guest.Run(_now, Step, engine.Throttles);
            Send();
            if ((_now += Step) - window < Window) continue;
            window = _now;
            Ask(engine, Input(pass, false, 0, engine), bounds);
        }
        return Outcome(false, false, pass, mostThrottle, leastLimit);
    }

    ModelOutcome Outcome(bool converged, bool wentOver, int passes, int mostThrottle, double leastLimit) => new(
        converged, wentOver, _now, _left * PageSize / bandwidth, guest.Held, passes, mostThrottle, leastLimit, [.. _decisions]);

    double Fits(TimeSpan limit) => bandwidth * limit.TotalSeconds;

    void Send()
    {
        for (_owed += bandwidth * Step / PageSize; _owed >= 1 && _left > 0; _at = (_at + 1) % guest.Pages)
        {
            if (!_known[_at]) continue;
            (_taken[_at], _known[_at], guest.Log[_at]) = (_taken[_at] | guest.Log[_at], false, false);
            _left--;
            _owed--;
            _sent += PageSize;
        }
        if (_left == 0) _owed = 0;
    }

    long Synchronise()
    {
        long dirtied = 0;
        for (var page = 0; page < guest.Pages; page++)
        {
            if (guest.Log[page] || _taken[page]) dirtied++;
            if (guest.Log[page] && !_known[page])
            {
                _known[page] = true;
                _left++;
            }
            guest.Log[page] = _taken[page] = false;
        }
        return dirtied * PageSize;
    }

    PolicyInput Input(int pass, bool isPassEnd, long dirtied, PolicyEngine engine) => new(
        TimeSpan.FromSeconds(_now), pass, isPassEnd, _left * PageSize, dirtied, bandwidth, (long)Fits(engine.DowntimeLimit),
        TimeSpan.FromSeconds(_left * PageSize / bandwidth), dirtied, _sent, [.. guest.Written]);

    List<PolicyOrder> Ask(PolicyEngine engine, PolicyInput input, PolicyBounds bounds)
    {
        var decisions = engine.Decide(input, bounds);
        _decisions.AddRange(decisions);
        return [.. decisions.Select(one => one.Order)];
    }
}
