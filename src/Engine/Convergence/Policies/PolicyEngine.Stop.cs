using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>Adaptive holds the switch-over back where <see cref="ShorterStop"/> says so: by a lower limit on the downtime, once in a migration.</summary>
sealed partial class PolicyEngine
{
    StopPlan? _stop;
    TimeSpan? _stopLimit;
    bool _hasHeldBack;
    (TimeSpan At, long Written) _heldSince;
    double _heldRate;
    double _rateBefore;

    /// <summary>A pass has ended, and Adaptive has looked at it.</summary>
    PolicyDecision? LookAtStop(in AdaptivePass pass, in PolicyInput input)
    {
        var rate = Math.Max(_adaptive.Dirtying?.Rate ?? 0, _rateBefore);
        _rateBefore = _adaptive.Dirtying?.Rate ?? 0;
        if (_adaptive.Dirtying is not { } dirtying || pass.Seconds <= 0 || _adaptive.HasGoneOver) return null;
        // A guest that stopped writing for a pass may go on in the next one.
        var now = Figures(pass.Pending, input, dirtying with { Rates = [rate] });
        if (_stop is { } plan) return IsOwnLimit ? Judge(plan, pass, now, input) : ForgetStop();
        // A limit below the user's is somebody's who means it, and a guest that is held back pays for each moment.
        if (_hasHeldBack || pass.Excess > 0 || !_bounds.HoldsBack || input.GuestStands || _adaptive.Brake is not null || DowntimeLimit < _bounds.MaxDowntime) return null;
        return ShorterStop.Begin(now, Timeout, input.IsTrial) is { } begun ? HoldBack(begun, pass, now, input) : null;
    }

    /// <summary>In between: whether it still comes as it was predicted.</summary>
    PolicyDecision? LookAtStopInPass(in PolicyInput input)
    {
        if (_stop is not { } plan) return null;
        if (!IsOwnLimit) return ForgetStop();
        var now = Figures(input.Pending, input, new DirtyingModel([_rateBefore], double.PositiveInfinity));
        if (ShorterStop.IsLate(plan with { Until = Math.Min(plan.Until, Timeout) }, now)) return EndStop("It takes longer than it may.");
        var seconds = (input.Elapsed - _heldSince.At).TotalSeconds;
        return ShorterStop.IsMissed(plan, input.Written.Sum() - _heldSince.Written, _heldRate, seconds) ? EndStop("The guest writes more than it did.") : null;
    }

    double Timeout => _bounds.Timeout?.TotalSeconds ?? double.PositiveInfinity;

    /// <summary>Of what a rule or a script makes another limit, seconds: one that is lowered for a while is nobody's but Adaptive's.</summary>
    double LimitToChange => (_stop is not null && IsOwnLimit ? _bounds.MaxDowntime : DowntimeLimit).TotalSeconds;

    bool IsOwnLimit => _downtimeLimit == _stopLimit;

    StopFigures Figures(long pending, in PolicyInput input, DirtyingModel dirtying)
    {
        var isCapped = BottleneckRule.IsCapped(input.Bandwidth, Bandwidth);
        var speed = Math.Max(input.Bandwidth, input.PageSpeed);
        // A limit is on bytes: pages that go as a few of them do not come to it.
        return new StopFigures(
            input.Elapsed.TotalSeconds, pending, speed, StopFigures.LinkOf(input.NeverSent > 0 ? input.Bandwidth : speed, isCapped), isCapped && input.PageSpeed <= input.Bandwidth, dirtying)
        {
            NeverSent = input.NeverSent, Carried = input.Bandwidth,
        };
    }

    PolicyDecision? HoldBack(StopPlan plan, in AdaptivePass pass, in StopFigures now, in PolicyInput input)
    {
        _hasHeldBack = true;
        var (more, shorter) = (plan.End - now.Elapsed, now.Stop(plan.Left));
        var later = Math.Max(0, more + shorter - plan.Stop);
        var decision = LimitDowntime(plan.Unsent / pass.Fits * _bounds.MaxDowntime.TotalSeconds, PolicyText.Format(
            $"{Megabytes(pass.Pending)} are left, for which the guest would stand for about {Milliseconds(plan.Stop)}. To go on for {more:0.##} s makes that {Milliseconds(shorter)} or less, and ends {later:0.##} s later, {100 * later / (now.Elapsed + plan.Stop):0.#} % of the time that it would take."));
        if (decision is null)
        {
            _downtimeLimit = null;
            return null;
        }
        (_stop, _stopLimit, _heldRate) = (plan, _downtimeLimit, now.Dirtying.Rate);
        _heldSince = (input.Elapsed, input.Written.Sum());
        return decision;
    }

    PolicyDecision? Judge(in StopPlan plan, in AdaptivePass pass, in StopFigures now, in PolicyInput input)
    {
        var left = PolicyText.Format($"{Megabytes(pass.Pending)} are left");
        if (pass.Excess > 0) return EndStop($"{left}, more than fit: it goes on until they do.");
        if (pass.Pending <= plan.Left) return EndStop($"{left}, for which the guest stands for about {Milliseconds(now.Stop(pass.Pending))}.");
        if (ShorterStop.GoOn(plan with { Until = Math.Min(plan.Until, Timeout) }, now, input.IsTrial) is not { } next)
            return EndStop($"{left}, and {Megabytes(plan.Expected)} were expected: to go on does not pay.");
        _stop = next;
        (_heldSince, _heldRate) = ((input.Elapsed, input.Written.Sum()), now.Dirtying.Rate);
        return null;
    }

    PolicyDecision? EndStop(string reason)
    {
        _stop = null;
        return FreeDowntime(reason);
    }

    /// <summary>Somebody has set another limit: that one counts.</summary>
    PolicyDecision? ForgetStop()
    {
        _stop = null;
        return null;
    }

    static string Megabytes(double bytes) => PolicyText.Format($"{bytes / MiB:0.#} MB");

    static string Milliseconds(double seconds) => PolicyText.Format($"{1000 * seconds:0.#} ms");
}
