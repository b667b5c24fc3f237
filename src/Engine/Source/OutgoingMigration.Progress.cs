using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>How far it is, what holds it up and what would help: made when somebody asks, by whoever asks.</summary>
sealed partial class OutgoingMigration
{
    // Some microseconds for each GiB that is looked through.
    static readonly TimeSpan PeekPeriod = TimeSpan.FromMilliseconds(10);

    // Finding them takes up to two milliseconds of whoever asks.
    static readonly TimeSpan LeverPeriod = TimeSpan.FromSeconds(0.25);
    static readonly TimeSpan LeverPeriodInPass = TimeSpan.FromSeconds(1);

    readonly LoadMeter _load = new();
    readonly ProgressEstimate _progress;
    (long At, long Again, long Left)? _peek;
    (long At, int Pass, MigrationParameters For, ForecastLever[] Found)? _levers;
    // From before the guest is stopped: whoever has the lock then makes it stand longer.
    volatile bool _isToStop;
    bool _wasPausedOnPurpose;
    double? _againShare;

    // Of a page that goes again as a difference, before the first has gone.
    const double ExpectedShare = 0.2;

    // The caller holds the lock in what follows.

    ProgressInput LookAtProgress(long threshold)
    {
        var peek = _status == MigrationStatus.Active && _pass == 1 ? PeekIntoFirstPass() : null;
        return new ProgressInput
        {
            Elapsed = _phases.Elapsed,
            // It is over when it has a result.
            Status = MigrationTransitions.IsEnded(_status) && _journal.Result is null ? MigrationStatus.Device : _status,
            Pass = _pass,
            PassElapsed = _passStart == 0 ? TimeSpan.Zero : Since(_passStart),
            // Memory that was never touched takes no time.
            Pending = peek?.Left ?? _ram.PendingEstimate,
            Again = peek?.Again,
            WriteRate = PassWriteRate,
            Bandwidth = _window.Bandwidth,
            AgainShare = AgainShare(),
            MaxDowntime = IsAdaptive && HandsOverByRun && _parameters.SwitchoverBandwidth == 0 ? DowntimeLimit : TimeSpan.Zero,
            Threshold = threshold,
            GoesOverAfter = this switch
            {
                { _isPostcopyRequested: true } => 0,
                { _parameters.Mode: MigrationMode.Postcopy } => 0,
                { _parameters.Mode: MigrationMode.Hybrid } => _parameters.PostcopyAfter,
                _ => null,
            },
            EndsBy = _parameters.OnTimeout == TimeoutAction.Cancel ? null : _parameters.Timeout,
        };
    }

    /// <summary>
    /// As the pages of this pass went so far, or those of the one before. In the first pass nobody knows: those that are mostly zero will be so again, and of
    /// the others a difference is a part.
    /// </summary>
    double? AgainShare()
    {
        var pages = SentPages - _passPages;
        if (_pass > 1 && pages >= FewestConfirmed) _againShare = (SentBytes - _passBytes) / (double)(pages * GuestMemory.PageSize);
        return _againShare ?? (_ram.UsesDifferences || _ram.SparsePages > _ram.NormalPages ? ExpectedShare : null);
    }

    /// <summary>What went and was written since, and what is still to go. The log is looked at and not taken.</summary>
    (long Again, long Left)? PeekIntoFirstPass()
    {
        if (_isToStop) return _peek is { } last ? (last.Again, last.Left) : null;
        if (_peek is { } known && Since(known.At) < PeekPeriod * (_guest.MemorySize / (double)(1 << 30))) return (known.Again, known.Left);
        var (again, left) = _ram.Peek();
        _peek = (Stopwatch.GetTimestamp(), again, left);
        return (again, left);
    }

    /// <summary>What levers are looked for in, not more often than each pass or four times a second, or each second of a long pass; null where they are known.</summary>
    DueLevers? LeversDue(ProgressInput look)
    {
        if (_isToStop || _status != MigrationStatus.Active || _pass == 0) return null;
        if (_levers is { } known && known.For == _parameters && Since(known.At) < (known.Pass == _pass ? LeverPeriodInPass : LeverPeriod)) return null;
        var (limit, bandwidth) = (_parameters.MaxBandwidth, _window.Bandwidth);
        // By what the user allows, for that is what levers change; a policy's limit rises by itself.
        var allowed = look with
        {
            Threshold = SwitchoverRule.Threshold(Carried, _parameters.SwitchoverBandwidth, _parameters.MaxDowntime),
            MaxDowntime = look.MaxDowntime > TimeSpan.Zero ? _parameters.MaxDowntime : TimeSpan.Zero,
        };
        var input = new LeverInput(
            _progress.Curve.Copy(), _progress.Passes(allowed), look.Elapsed, SentBytes, _parameters.MaxDowntime, BottleneckRule.IsCapped(bandwidth, limit) ? limit : 0,
            _parameters.Promise?.LinkBandwidth ?? 0, CanGoOver: _isAdvised && !_parameters.Verify);
        return new(input, _pass, _parameters);
    }

    /// <summary>Those that are known; none of a migration that does not send pass after pass.</summary>
    ForecastLever[] KnownLevers => _status == MigrationStatus.Active && _pass > 0 ? _levers?.Found ?? [] : [];

    BottleneckInput LookAtBottleneck(long threshold) => new(
        _status, _pass, _window.Bandwidth, _isPostcopy ? _parameters.MaxPostcopyBandwidth : BandwidthLimit, _dirtyRate, _ram.PendingEstimate, threshold, _estimate,
        _parameters.MaxDowntime, _waitsForDestination && _status == MigrationStatus.Device)
    {
        Load = _connection is { } connection ? _load.Load(connection, _channels) : null,
        IsPausedOnPurpose = _wasPausedOnPurpose,
        IsPolicysLimit = BandwidthLimit != _parameters.MaxBandwidth,
    };

    /// <summary>Without the lock, which the sending thread needs while the guest stands.</summary>
    ForecastLever[] Find(DueLevers due)
    {
        var found = LeverRule.Find(due.Input);
        lock (_lock) _levers = (Stopwatch.GetTimestamp(), due.Pass, due.For, found);
        return found;
    }

    readonly record struct DueLevers(LeverInput Input, int Pass, MigrationParameters For);
}
