using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>QEMU's figures as passes, snapshots and the result.</summary>
sealed partial class DrivenMigration
{
    const double BytesPerMegabit = 1e6 / 8;

    // A migration that is paused and recovered a hundred times has fewer.
    const int MostReported = 1000;

    readonly List<string> _reported = [];
    MigrationUri _address = null!;
    PeerKind _peer;
    QemuMigrationInfo _info = QemuMigrationInfo.Parse(default);
    QemuRamInfo _ram = new();
    QemuRamInfo _passBegin = new();
    XbzrleFigures? _xbzrle;
    long _passBeginXbzrle;
    TimeSpan _passStart;
    TimeSpan _waitStart;
    TimeSpan _waited;
    int _pass;
    long _passDirtied;
    double? _passDirtyRate;
    bool _hasEvents;

    long XbzrlePages => _xbzrle?.Pages ?? 0;

    /// <summary>The states in the order in which QEMU reported them; from query-migrate where there are no events.</summary>
    void Remember(string status, bool isEvent)
    {
        lock (_lock)
        {
            if (_hasEvents && !isEvent) return;
            _hasEvents |= isEvent;
            if (_reported.Count > 0 && _reported[^1] == status) return;
            if (_reported.Count == MostReported) _reported.RemoveAt(0);
            _reported.Add(status);
        }
    }

    void Observe(QemuMigrationInfo info)
    {
        Remember(info.StatusText, isEvent: false);
        lock (_lock)
        {
            if (info.Status is { } status && status != MigrationStatus.None && !(_isCancelRequested && DrivenPhases.IsBeforeSwitchover(status))) Enter(status);
            Learn(info, isEnd: false);
        }
        _phases.MoveTo(DrivenPhases.Of(Status));
    }

    // The caller holds the lock.
    void Enter(MigrationStatus status)
    {
        if (status == MigrationStatus.PreSwitchover && _status != status) _waitStart = _phases.Elapsed;
        if (status != MigrationStatus.PreSwitchover && _status == MigrationStatus.PreSwitchover) _waited += _phases.Elapsed - _waitStart;
        _status = status;
        // A source that fails before all but the memory has left goes back instead: whoever is told of the pause is told where the guest is.
        if (status == MigrationStatus.PostcopyPaused) Commit();
    }

    // The caller holds the lock.
    void Learn(QemuMigrationInfo info, bool isEnd)
    {
        _info = info;
        if (info.Ram is not { } ram) return;
        (_ram, _xbzrle) = (ram, info.XbzrleCache ?? _xbzrle);
        var syncs = (int)Math.Clamp(ram.DirtySyncCount, 0, int.MaxValue);
        if (syncs <= _pass) return;
        // A look at the log ends a pass. Of several since the last question only the last is known; the end makes a record of its own.
        if (syncs > 1 && !isEnd && !(IsAdopted && _pass == 0)) EndPass(syncs);
        _pass = syncs;
        if (!isEnd) (_passBegin, _passBeginXbzrle, _passStart) = (syncs == 1 ? new() : ram, XbzrlePages, _phases.Elapsed);
    }

    // The caller holds the lock.
    void EndPass(int syncs)
    {
        var time = _phases.Elapsed - _passStart;
        _passDirtied = _ram.DirtiedSince(_passBegin, XbzrlePages - _passBeginXbzrle);
        _passDirtyRate = time > TimeSpan.Zero ? _passDirtied / time.TotalSeconds : _passDirtyRate;
        if (_parameters.OnIterationTimeout is { } answer) _answers.Ask(syncs - 1, _phases.Elapsed + answer);
        _progress.EndPass(time / (syncs - _pass), _ram.Remaining);
        _journal.Add(Snapshot(syncs - 1) with { DirtiedBytes = _passDirtied });
    }

    MigrationIteration Snapshot(int pass, MigrationResult? result = null)
    {
        var isThrough = result?.State == MigrationStatus.Completed;
        return new MigrationIteration
        {
            Id = _id,
            Name = _guest.Name,
            State = _status,
            Phase = _phases.Current,
            Timestamp = WallClock.Now,
            Iteration = Math.Max(1, pass),
            IsFinal = result is not null,
            Pages = _ram.Normal + _ram.Duplicate + XbzrlePages - _passBegin.Normal - _passBegin.Duplicate - _passBeginXbzrle,
            Bytes = _ram.Transferred - _passBegin.Transferred,
            Duration = _phases.Elapsed - _passStart,
            DirtyPages = _ram.Remaining / PageSize,
            TotalBytes = _ram.Total > 0 ? _ram.Total : _guest.MemorySize,
            TransferredBytes = _ram.Transferred,
            RemainingBytes = isThrough ? 0 : _ram.Remaining,
            NormalPages = _ram.Normal,
            ZeroPages = _ram.Duplicate,
            XbzrlePages = XbzrlePages,
            Xbzrle = _xbzrle,
            DirtyRate = (double)_ram.DirtyPagesRate * PageSize,
            Bandwidth = _ram.Mbps * BytesPerMegabit,
            // Before it knows a dirty rate, QEMU says the limit.
            EstimatedDowntime = result is null && _ram.DirtyPagesRate > 0 ? _info.ExpectedDowntime : null,
            MaxDowntime = _parameters.MaxDowntime,
            DowntimeLimit = _limits.Downtime(_parameters),
            ThrottlePercent = (int)Math.Clamp(_info.CpuThrottlePercentage ?? 0, 0, 100),
            SetupTime = _info.SetupTime ?? TimeSpan.Zero,
            TotalTime = result?.TotalTime ?? _info.TotalTime ?? _phases.Elapsed,
            DowntimeParts = isThrough ? result!.DowntimeParts : null,
            Result = result,
            Qemu = new QemuFigures(
                _ram.Total, _ram.Remaining, _ram.Transferred, _ram.Duplicate, _ram.Normal, (int)Math.Min(_ram.DirtySyncCount, int.MaxValue),
                _ram.DirtyPagesRate, _ram.Mbps, _ram.PagesPerSecond, Milliseconds(_info.ExpectedDowntime), Milliseconds(_info.SetupTime),
                Milliseconds(_info.TotalTime)),
        };
    }

    long PageSize => _ram.PageSize > 0 ? _ram.PageSize : 4096;

    static long Milliseconds(TimeSpan? time) => (long)(time ?? TimeSpan.Zero).TotalMilliseconds;

    public MigrationState GetState()
    {
        MigrationState state;
        LeverInput? due;
        BottleneckInput held;
        int pass;
        lock (_lock)
        {
            var (result, iterations) = (_journal.Result, _journal.Iterations);
            var current = result is null ? Snapshot(_pass) : iterations[^1];
            var threshold = SwitchoverRule.Threshold(current.Bandwidth, _parameters.SwitchoverBandwidth, _limits.Downtime(_parameters));
            var look = LookAtProgress(current, threshold);
            var progress = _progress.Look(look);
            (due, held, pass) = (LeversDue(look, current), LookAtBottleneck(current, threshold), _pass);
            state = new MigrationState
            {
                Id = _id,
                Name = _guest.Name,
                State = _status,
                QemuStates = [.. _reported],
                IsAdopted = IsAdopted,
                Phase = _phases.Current,
                Timestamp = WallClock.Now,
                Destination = _destination.ToString(),
                Peer = _peer,
                Location = _location,
                PercentComplete = progress.Percent,
                RemainingTime = progress.Remaining,
                Bottleneck = MigrationBottleneck.None,
                Advice = "",
                Levers = KnownLevers,
                Current = current,
                Iterations = iterations,
                Phases = _phases.Snapshot(),
                Decisions = _journal.Decisions,
                Parameters = _parameters,
                Result = result,
            };
        }
        var levers = due is { } input ? Find(input, pass, state.Parameters) : state.Levers;
        var (bottleneck, advice) = BottleneckRule.Explain(held with { Levers = levers });
        return state with { Bottleneck = bottleneck, Advice = advice, Levers = levers };
    }

    void Publish(QemuMigrationInfo? end)
    {
        _phases.Close();
        if (end is not null) Remember(end.StatusText, isEvent: false);
        lock (_lock)
        {
            if (end is not null) Learn(end, isEnd: true);
            if (_error is { } error) error.Location = _location;
            _status = _error is not null ? MigrationStatus.Failed
                : end is { Status: { } status } ? status
                : _isLaunched ? MigrationStatus.Completed : MigrationStatus.Cancelled;
            var result = new MigrationResult
            {
                Id = _id,
                Name = _guest.Name,
                State = _status,
                Location = _location,
                Destination = _destination.ToString(),
                Timestamp = WallClock.Now,
                Iterations = _journal.Iterations.Length + 1,
                TransferredBytes = _ram.Transferred,
                TotalTime = _info.TotalTime is { Ticks: > 0 } time ? time : _phases.Elapsed,
                SetupTime = _info.SetupTime ?? TimeSpan.Zero,
                MaxDowntime = _parameters.MaxDowntime,
                Promised = _parameters.Promise,
                DowntimeParts = Downtime(),
                Cost = new GuestCost { Downtime = Downtime().Total, UnknownBefore = "A QEMU does not count what its guest writes." },
                Error = _error,
            };
            _journal.Add(Snapshot(_pass, result));
        }
    }

    /// <summary>QEMU's downtime from the stop to its word that it completed, and what the leave for the destination took after it.</summary>
    DowntimeParts Downtime()
    {
        if (!_runsAtSource || _info.Downtime is not { } downtime) return DowntimeParts.Zero;
        var waited = _waited < downtime ? _waited : downtime;
        return DowntimeParts.Zero with { FinalRam = downtime - waited, Waiting = waited, Resume = _resume };
    }
}
