using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What is known of a migration when it is asked how far it is. Bytes are of pages, rates bytes/s.</summary>
readonly record struct ProgressInput
{
    /// <summary>Since its start.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The state.</summary>
    public required MigrationStatus Status { get; init; }

    /// <summary>Which pass, from 1.</summary>
    public int Pass { get; init; }

    /// <summary>How long this pass has taken.</summary>
    public TimeSpan PassElapsed { get; init; }

    /// <summary>What is still to go in this pass, or in postcopy at all.</summary>
    public double Pending { get; init; }

    /// <summary>What the link carries, bytes on the wire; 0 before it was measured.</summary>
    public double Bandwidth { get; init; }

    /// <summary>What a page that goes again takes on the wire, as a share of its size; null where that is not known.</summary>
    public double? AgainShare { get; init; }

    /// <summary>How long the guest may stand, where that is judged by how fast pages go that take a part of their size; else zero.</summary>
    public TimeSpan MaxDowntime { get; init; }

    /// <summary>What may be left at the switch-over.</summary>
    public double Threshold { get; init; }

    /// <summary>Of what went in the first pass, what was written since; null where nobody looked.</summary>
    public double? Again { get; init; }

    /// <summary>What the guest writes in this pass, each write counted; null where nobody counts.</summary>
    public double? WriteRate { get; init; }

    /// <summary>After which pass the guest goes over before its memory; null where it does not.</summary>
    public int? GoesOverAfter { get; init; }

    /// <summary>When it ends at all events, since the start; null where it does not.</summary>
    public TimeSpan? EndsBy { get; init; }
}

/// <summary>How far it is.</summary>
/// <param name="Percent">0 to 99, and 100 at the end alone; null where there is no estimate.</param>
/// <param name="Remaining">How long it will still take; null where there is no estimate.</param>
readonly record struct MigrationProgress(int? Percent, TimeSpan? Remaining);

/// <summary>
/// How far a migration is, and how long it will still take: from the forecast that was made of it, else from what is seen of its first pass,
/// and corrected by each pass. Of the bar that is left there goes as much as of the time that is left. So it moves as long as there is an
/// estimate, faster or slower when that changes, never goes back, and does not stand before its end. Where the migration would not end as it
/// goes there is no number. Holds the lock of whoever uses it; knows no clock. Pure.
/// </summary>
sealed class ProgressEstimate
{
    // Before anything is known of what goes again: as much of the first pass.
    const double UnknownRest = 0.25;

    // Shorter looks into the first pass say nothing.
    static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(50);

    // From here on pages count, and not what they take on the wire.
    const double SmallShare = 0.5;
    const double LeastShare = 0.002;

    // The bandwidth is that of some windows: each alone jumps.
    const double SmoothingSeconds = 1;

    readonly PassCurve _curve = new();
    readonly RecentSpeed _speed = new();
    readonly bool _isPromised;
    double _share = 1;
    TimeSpan _lookedAt;
    double _bandwidth;
    double _percent;
    int _pass;

    /// <param name="promise">The forecast that was made; null where none was.</param>
    public ProgressEstimate(MigrationPromise? promise)
    {
        var passes = promise?.Passes ?? [];
        // The last one goes while the guest stands.
        foreach (var pass in passes)
            if (pass.RemainingBytes > 0) _curve.Expect(pass.Duration.TotalSeconds, pass.RemainingBytes);
        _isPromised = !_curve.IsEmpty;
        if (passes is [{ RemainingBytes: > 0 and var again }, { Bytes: > 0 and var bytes }, ..]) _share = Share(bytes / (double)again);
    }

    /// <summary>What a pass leaves, as far as it is known.</summary>
    public PassCurve Curve => _curve;

    /// <summary>A pass has ended: how long it took, and what it left.</summary>
    public void EndPass(TimeSpan took, double left) => _curve.Add(took.TotalSeconds, left);

    /// <summary>How far it is now.</summary>
    public MigrationProgress Look(ProgressInput input)
    {
        if (MigrationTransitions.IsEnded(input.Status)) return new(input.Status == MigrationStatus.Completed ? 100 : null, null);
        // The guest stands: nobody says how long the destination needs, and the bar is where it was.
        if (input.Status == MigrationStatus.Device) return new(_percent > 0 ? Shown : null, null);
        var since = input.Elapsed - _lookedAt;
        Learn(input, since);
        if (Remaining(input) is not { } left) return default;
        var passed = Math.Max(0, since.TotalSeconds);
        if (passed + left > 0) _percent += (100 - _percent) * passed / (passed + left);
        _lookedAt = input.Elapsed;
        return new(Shown, TimeSpan.FromSeconds(left));
    }

    int Shown => (int)Math.Clamp(_percent, 0, 99);

    /// <summary>Where the present pass ends, as far as that shows.</summary>
    public PassesInput Passes(ProgressInput input) =>
        new(input.Pending, TimeForPass(input), input.PassElapsed.TotalSeconds, PageBandwidth, Threshold(input))
        {
            GoesOverAfter = input.GoesOverAfter - input.Pass + 1,
        };

    double PageBandwidth => _bandwidth / _share;

    double Threshold(ProgressInput input) =>
        _share < SmallShare ? Math.Max(input.Threshold, PageBandwidth * input.MaxDowntime.TotalSeconds) : input.Threshold;

    static double Share(double value) => Math.Clamp(value, LeastShare, 1);

    void Learn(ProgressInput input, TimeSpan since)
    {
        if (input.Bandwidth > 0)
            _bandwidth = _bandwidth == 0 ? input.Bandwidth
                : _bandwidth + ((input.Bandwidth - _bandwidth) * (1 - Math.Exp(-Math.Max(0, since.TotalSeconds) / SmoothingSeconds)));
        if (input.Pass != _pass) _speed.Restart();
        _pass = input.Pass;
        _speed.Add(input.Elapsed.TotalSeconds, input.Pending);
        // What was promised of pages that go again counts until some have.
        if (input.AgainShare is { } share && (input.Pass > 1 || !_isPromised)) _share = Share(share);
        // At the beginning of a pass it is that of the one before.
        if (input.WriteRate is { } rate && input.PassElapsed >= ShortestLook) _curve.WriteRate = rate;
        if (_isPromised || input is not { Status: MigrationStatus.Active, Pass: 1, Again: { } again } || input.PassElapsed < ShortestLook) return;
        // What has gone so far has been open to writing for as long as a pass of this length would have it, but it is a part of the whole.
        var (took, rest) = (input.PassElapsed.TotalSeconds, TimeForPass(input));
        if (rest is { } time) _curve.Expect(took, again * (took + time) / took);
    }

    double? Remaining(ProgressInput input)
    {
        var left = input.Status switch
        {
            MigrationStatus.Active => InPrecopy(input),
            // Each page goes once.
            MigrationStatus.PostcopyActive => TimeForPass(input),
            _ => null,
        };
        var atMost = (input.EndsBy - input.Elapsed)?.TotalSeconds;
        return input.Status == MigrationStatus.Active && atMost >= 0 && !(left < atMost) ? atMost : left;
    }

    double? InPrecopy(ProgressInput input)
    {
        if (input.GoesOverAfter < input.Pass) return TimeForPass(input);
        if (!_curve.IsEmpty) return PassesToCome.Run(_curve, Passes(input))?.Seconds;
        return TimeForPass(input) is { } time ? time + (UnknownRest * (input.PassElapsed.TotalSeconds + time)) : null;
    }

    double? TimeForPass(ProgressInput input) =>
        _speed.TimeFor(input.Pending) ?? (_bandwidth <= 0 ? null : input.Pending / (input is { Status: MigrationStatus.Active, Pass: > 1 } ? PageBandwidth : _bandwidth));
}
