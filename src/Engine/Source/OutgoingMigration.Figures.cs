using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>The figures of a migration: passes, snapshots, the result.</summary>
sealed partial class OutgoingMigration
{
    TimeSpan _setupTime;
    int _pass;
    long _passStart;
    long _passBytes;
    long _passPages;
    long _dirtyFound;
    long? _pagesAtStop;
    double? _dirtyRate;
    double _qemuDirtyRate;
    long _qemuPeriodStart;
    long _qemuPeriodPages;
    TimeSpan? _estimate;
    long _sentBytes;

    // Those of links that are gone are in the first one.
    long SentBytes => _sentBytes + (_writer?.Position ?? 0) + (_channels?.BytesSent ?? 0) + (_preemptWriter?.Position ?? 0);

    long SentPages => _ram.HandledPages;

    void BeginPass()
    {
        lock (_lock)
        {
            _pass++;
            (_passStart, _passBytes, _passPages, _passWritten) = (Stopwatch.GetTimestamp(), SentBytes, SentPages, _guest.WrittenPages);
            if (_qemuPeriodStart == 0) _qemuPeriodStart = _passStart;
        }
    }

    /// <summary>After a look at the log: what the pass was, and what the guest did meanwhile.</summary>
    /// <param name="unsent">What had not gone before the look, bytes.</param>
    void EndPass(long unsent)
    {
        lock (_lock)
        {
            _dirtyFound = _ram.DirtyPagesFound + _dirtyInCatchUps;
            _dirtyInCatchUps = 0;
            var elapsed = Since(_passStart);
            _dirtyRate = elapsed > TimeSpan.Zero ? _dirtyFound * GuestMemory.PageSize / elapsed.TotalSeconds : _dirtyRate;
            _passSpeed = PassSpeed(elapsed);
            EndPassOfKept(unsent);
            CountForQemu();
            _progress.EndPass(elapsed, _ram.PendingEstimate);
            _estimate = SwitchoverRule.EstimatedDowntime(_ram.PendingEstimate, Carried, _parameters.SwitchoverBandwidth);
            AskAboutPass();
            _journal.Add(Noted(Snapshot()));
        }
        ChooseAfterPass();
        BeginPass();
    }

    // QEMU gives a dirty rate only over more than a second.
    void CountForQemu()
    {
        _qemuPeriodPages += _dirtyFound;
        var elapsed = Since(_qemuPeriodStart);
        if (elapsed <= TimeSpan.FromSeconds(1)) return;
        _qemuDirtyRate = _qemuPeriodPages / elapsed.TotalSeconds;
        (_qemuPeriodStart, _qemuPeriodPages) = (Stopwatch.GetTimestamp(), 0);
    }

    MigrationIteration Snapshot(MigrationResult? result = null)
    {
        var elapsed = result?.TotalTime ?? _phases.Elapsed;
        var remaining = result?.State == MigrationStatus.Completed ? 0 : _ram.PendingEstimate;
        var sent = SentBytes;
        var xbzrle = _ram.Xbzrle;
        return new MigrationIteration
        {
            Id = Id,
            Name = _guest.Name,
            State = _status,
            Phase = _phases.Current,
            Timestamp = WallClock.Now,
            Iteration = Math.Max(1, _pass),
            IsFinal = result is not null,
            Pages = SentPages - _passPages,
            Bytes = sent - _passBytes,
            Duration = _passStart == 0 ? TimeSpan.Zero : Since(_passStart),
            DirtyPages = _dirtyFound,
            TotalBytes = _guest.MemorySize,
            TransferredBytes = sent,
            RemainingBytes = remaining,
            NormalPages = _ram.NormalPages,
            ZeroPages = _ram.ZeroPages,
            SparsePages = _ram.SparsePages,
            XbzrlePages = xbzrle?.Pages ?? 0,
            Xbzrle = xbzrle,
            Compression = Compression,
            DirtyRate = _dirtyRate ?? 0,
            WriteRate = PassWriteRate,
            Bandwidth = _window.Bandwidth,
            EstimatedDowntime = result is null ? _estimate : null,
            MaxDowntime = _parameters.MaxDowntime,
            DowntimeLimit = DowntimeLimit,
            ThrottlePercent = result is null ? _guest.ThrottlePercent : 0,
            SetupTime = _setupTime,
            TotalTime = elapsed,
            DowntimeParts = result is { State: not MigrationStatus.Completed, Downtime.Ticks: 0 } ? null : result?.DowntimeParts,
            Result = result,
            Qemu = new QemuFigures(
                _guest.MemorySize, remaining, sent, _ram.ZeroPages, _ram.NormalPages, _ram.SyncCount, (long)_qemuDirtyRate,
                _window.Bandwidth * 8 / 1e6, _window.PagesPerSecond, (long)(_estimate ?? _parameters.MaxDowntime).TotalMilliseconds,
                (long)_setupTime.TotalMilliseconds, (long)elapsed.TotalMilliseconds),
        };
    }

    public MigrationState GetState()
    {
        MigrationState state;
        DueLevers? due;
        BottleneckInput held;
        lock (_lock)
        {
            var threshold = Threshold();
            var (result, iterations) = (_journal.Result, _journal.Iterations);
            var look = LookAtProgress(threshold);
            var progress = _progress.Look(look);
            (due, held) = (LeversDue(look), LookAtBottleneck(threshold));
            state = new MigrationState
            {
                Id = Id,
                Name = _guest.Name,
                State = _status,
                Phase = _phases.Current,
                Timestamp = WallClock.Now,
                Destination = _destination,
                Peer = _peer,
                Location = _location,
                PercentComplete = progress.Percent,
                RemainingTime = progress.Remaining,
                Bottleneck = MigrationBottleneck.None,
                Advice = "",
                Levers = KnownLevers,
                Current = result is null ? Snapshot() : iterations[^1],
                Iterations = iterations,
                Phases = _phases.Snapshot(),
                Decisions = _journal.Decisions,
                Parameters = _parameters,
                Result = result,
            };
        }
        var levers = due is { } those ? Find(those) : state.Levers;
        var (bottleneck, advice) = BottleneckRule.Explain(held with { Levers = levers });
        return state with { Bottleneck = bottleneck, Advice = advice, Levers = levers };
    }

    /// <summary>The last word: state, result, final iteration; then whoever waits is woken.</summary>
    void Publish()
    {
        lock (_lock)
        {
            if (_error is { } error) error.Location = _location;
            if (_status == MigrationStatus.Cancelling) MoveTo(MigrationStatus.Cancelled);
            if (_error is not null && _status is not (MigrationStatus.Cancelled or MigrationStatus.Failing)) _status = MigrationStatus.Failing;
            if (_status == MigrationStatus.Failing) MoveTo(MigrationStatus.Failed);
            var result = new MigrationResult
            {
                Id = Id,
                Name = _guest.Name,
                State = _status,
                Location = _location,
                Destination = _destination,
                Timestamp = WallClock.Now,
                Iterations = _journal.Iterations.Length + 1,
                TransferredBytes = SentBytes,
                TotalTime = _phases.Elapsed,
                SetupTime = _setupTime,
                MaxDowntime = _parameters.MaxDowntime,
                Promised = _parameters.Promise,
                // A guest that stood anyway was not kept from anything.
                DowntimeParts = _guestRan ? _downtime.Parts : DowntimeParts.Zero,
                SourceDigest = _sourceDigest,
                DestinationDigest = _destinationDigest,
                SourceStateDigest = _sourceStateDigest,
                DestinationStateDigest = _destinationStateDigest,
                Postcopy = _postcopy,
                LeftOut = [.. _leftOut],
                ThrottledTime = ThrottledTime,
                Cost = Cost(),
                Error = _error,
            };
            var last = Snapshot(result) with { FinalPages = SentPages - _pagesAtStop };
            // The record is kept long after; buffers and bitmaps are not.
            _sentBytes = SentBytes;
            (_connection, _writer, _returnPath, _channels, _preemptWriter) = (null, null, null, null, null);
            _ram.Forget();
            _journal.Add(last);
        }
    }
}
