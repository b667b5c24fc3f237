using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Source;

/// <summary>The sending thread: phases 1 to 8, in the order of docs/phases.md.</summary>
sealed partial class OutgoingMigration
{
    GuestLocation _location = GuestLocation.Source;
    bool _isFinished;

    void Run()
    {
        try
        {
            _phases.Run(MigrationPhase.Connect, Connect);
            _phases.Run(MigrationPhase.Header, SendHeader);
            _phases.Run(MigrationPhase.Ping, SendPing);
            _phases.Run(MigrationPhase.Setup, SendSetup);
            _phases.Run(MigrationPhase.SetState, () => Advance(MigrationStatus.Active));
            _window.Begin(SentBytes, SentPages);
            while (!_phases.Run(MigrationPhase.Iteration, RunIteration))
            {
                _phases.Run(MigrationPhase.DetectError, ThrowIfStopped);
                _phases.Run(MigrationPhase.UpdateCounters, UpdateCounters);
            }
            if (_isPostcopy) FollowInPostcopy();
        }
#pragma warning disable CA1031 // Whatever happens on this thread, the guest must be handed on or back.
        catch (Exception e)
#pragma warning restore CA1031
        {
            RecordFailure(IsLeftBehind ? LeftBehind(e) : e);
        }
        try
        {
            _phases.Run(MigrationPhase.Finish, this, static self => self.Finish());
        }
#pragma warning disable CA1031 // Whoever waits must learn of the end, and the guest must not stay claimed.
        catch (Exception e)
#pragma warning restore CA1031
        {
            RecordFailure(e);
        }
        // Of a phase that could not even be entered.
        Finish();
        Publish();
    }

    /// <summary>One of the things that have to be done at the end, whatever becomes of the others.</summary>
    void Surely(Action work) => EngineThread.Guard(work, RecordFailure);

    /// <summary>What it could not even tell of itself: whoever waits learns that it is over.</summary>
    void FailWithoutEnd(Exception e)
    {
        var error = MigrationException.From(e, MigrationSide.Source, "The engine failed");
        error.Location = _location;
        Finish();
        lock (_lock) _status = MigrationStatus.Failed;
        _journal.EndWith(MigrationResult.Failed(Id, _guest.Name, _destination, error));
    }

    /// <summary>0: the connections. A destination of QEMU is silent until it has seen the header, and with channels until it has all of them.</summary>
    void Connect()
    {
        // First: a QEMU that waits gives up when a link to it is made and closed again.
        _monitor?.Connect(Parameters.ConnectTimeout, _stop.Token);
        if (_parameters.Postcopy) _monitor?.CheckPostcopy(_parameters.PostcopyPreempt);
        PlanPreempt();
        var plan = PlanChannels();
        var connection = _connect(_stop.Token);
        lock (_lock) _connection = connection;
        ThrowIfStopped();
        _writer = new WireWriter(connection.Output);
        _oneWay = connection as IOneWayConnection;
        if (_oneWay is null) _returnPath = NewReturnPath(connection);
        if (plan is not null) ConnectChannels(plan);
        ConnectEarlyPreempt();
    }

    ReturnPath NewReturnPath(IConnection connection) => new(connection.Input, _guest.Name, Fail, TakeRequest);

    /// <summary>On the thread that reads. A request before there is a postcopy is harmless, and of no use.</summary>
    void TakeRequest(string? block, ulong start, uint length)
    {
        if (_isPostcopy) _ram.Requests.Add(block, start, length);
    }

    /// <summary>1: qemu_savevm_state_header.</summary>
    void SendHeader()
    {
        _machine.WriteHeader(_writer!);
        if (_oneWay is null) CommandRecord.Write(_writer!, CommandType.OpenReturnPath);
        _writer!.Flush();
    }

    /// <summary>2: qemu_savevm_send_ping. The answers tell a receiver of ours from a QEMU, without a timer.</summary>
    void SendPing()
    {
        if (_oneWay is not null)
        {
            Decide("Return path", "ping and wait", "none", $"{_destination} has no way back.");
            if (_own is not null) _own.IsForQemu = _parameters.Format == GuestFileFormat.Qemu;
            DecideAdvice(0);
            return;
        }
        CommandRecord.WritePing(_writer!, Handshake.FirstPing);
        CommandRecord.WritePing(_writer!, Handshake.ExtensionPing);
        _writer!.Flush();
        WaitFor(ReturnPathType.Pong);
        var answer = WaitFor(ReturnPathType.Pong).Value;
        _peer = Handshake.IsOurAnswer(answer) ? PeerKind.PsMigrate : PeerKind.Qemu;
        if (_own is not null)
        {
            _own.IsForQemu = _peer == PeerKind.Qemu;
            _ram.SendsRuns = !_own.IsForQemu && Handshake.AgreedVersion(answer) >= Handshake.RunVersion;
            _tellsWriteRate = !_own.IsForQemu && Handshake.AgreedVersion(answer) >= Handshake.WriteRateVersion;
            _givesStateDigest = !_own.IsForQemu && Handshake.AgreedVersion(answer) >= Handshake.StateDigestVersion;
            _announcesChannels = !_own.IsForQemu && Handshake.AgreedVersion(answer) >= Handshake.AnnouncedChannelsVersion;
        }
        CheckPeer();
        DecideAdvice(Handshake.AgreedVersion(answer));
        if (_peer == PeerKind.Qemu && _parameters.Verify)
            throw new MigrationException(MigrationErrorId.UnsupportedByPeer, MigrationSide.Destination,
                "The destination is a QEMU, which gives no digest of its memory: -Verify can't be kept.");
    }

    ReturnPathMessage WaitFor(ReturnPathType type) => _returnPath!.Wait(Parameters.AnswerTimeout, type);

    /// <summary>3: qemu_savevm_state_setup. To one of ours, who comes; then dirty logging on and the list of blocks.</summary>
    void SendSetup()
    {
        if (_own is { IsForQemu: false } own) Announce(own);
        Advise();
        _ram.Section.WriteNamed(_writer!, RecordType.SectionStart);
        BeginTrace();
        BeginOrder();
        _ram.SaveSetup(_writer!);
        WriteRamFooter();
        _writer!.Flush();
        TellCutCache(_askedCacheSize);
        ChooseSparse();
        _machine.Prepare();
        BeginPass();
        BeginPolicy();
        _setupTime = _phases.Elapsed;
    }

    void Announce(OwnMachineState own)
    {
        if (_parameters.Verify) RamDigest.WarmUp();
        if (_parameters.Verify && !_givesStateDigest && _oneWay is null)
            Decide("Verify", "memory, vCPUs and devices", "memory", "The destination is of an older release, which gives a digest of memory alone.");
        // Nobody will ask after a migration that went into a file.
        own.WriteAnnouncement(_writer!, _oneWay is null ? _uuid : Guid.Empty, _parameters.Verify, AnnouncedChannels);
        _writer!.Flush();
        if (_oneWay is null) WaitFor(ReturnPathType.Accepted);
    }

    /// <summary>5: migration_iteration_run. True when the migration is through.</summary>
    bool RunIteration()
    {
        if (_phases.Run(MigrationPhase.Pending, IsReadyToSwitchOver))
        {
            _phases.Run(MigrationPhase.Completion, SwitchOver);
            return true;
        }
        if (PostcopyReason is { } reason)
        {
            _phases.Run(MigrationPhase.Completion, () => GoOver(reason));
            return true;
        }
        _phases.Run(MigrationPhase.Iterate, Iterate);
        return false;
    }

    /// <summary>5.1: qemu_savevm_state_pending. A cheap estimate first; the log is read only when that is small enough.</summary>
    bool IsReadyToSwitchOver()
    {
        if (_completeRequested)
        {
            Decide("Switch over", $"{_ram.PendingEstimate} bytes left", "now", _completeBecause ?? $"{PolicyTrail.WasCompleted}.");
            AwaitReady?.Invoke();
            return true;
        }
        if (!SwitchoverRule.MaySwitchOver(_ram.PendingEstimate, Threshold())) return false;
        // A guest that is sent in less than a window would have no bandwidth to judge by.
        _window.Update(SentBytes, SentPages, needsFigure: true);
        ConfirmSmallPages();
        AwaitReady?.Invoke();
        var unsent = _ram.PendingEstimate;
        var pending = _ram.PendingExact();
        // Nothing was sent since the last look (the threshold rose meanwhile): that is no pass.
        if (SentPages > _passPages)
        {
            EndPass(unsent);
            AskPolicyAfterPass(pending);
        }
        if (SwitchoverRule.MaySwitchOver(pending, Threshold())) return CatchUp();
        JudgeWait(pending);
        return false;
    }

    long Threshold() => SwitchoverRule.Threshold(Carried, Parameters.SwitchoverBandwidth, DowntimeLimit);

    /// <summary>5.2: qemu_savevm_state_iterate, within what this window still allows.</summary>
    void Iterate()
    {
        var budget = _window.Budget(SentBytes, BandwidthLimit);
        if (budget <= 0) return;
        _ram.Section.WriteBare(_writer!, RecordType.SectionPart);
        _ram.SaveIterate(_writer!, budget);
        WriteRamFooter();
        _writer!.Flush();
    }

    /// <summary>7: migration_update_counters, and the sleep of migration_rate_limit.</summary>
    void UpdateCounters()
    {
        if (_window.Update(SentBytes, SentPages)) EndWindow();
        ApplyCacheSize();
        if (_window.Budget(SentBytes, BandwidthLimit) > 0) return;
        // Ends early when the migration is stopped.
        var began = Stopwatch.GetTimestamp();
        _stop.Token.WaitHandle.WaitOne((int)Math.Ceiling(_window.Left.TotalMilliseconds));
        _load.Sleep(Since(began));
        if (_window.Update(SentBytes, SentPages)) EndWindow();
    }

    void EndWindow()
    {
        lock (_lock) _load.Look(_connection!, _channels);
        ChooseInFirstPass();
        AskPolicyInWindow();
    }

    /// <summary>Keeps the first error; of a broken connection the reason that the destination gave, if it gave one.</summary>
    void RecordFailure(Exception e)
    {
        var phase = _phases.Current;
        var typed = e as MigrationException;
        if (typed?.Id == MigrationErrorId.ConnectionLost && _returnPath is { } back && back.WaitEnded(TimeSpan.FromSeconds(1)))
            typed = back.Failure ?? typed;
        lock (_lock)
        {
            if (!_isCancelRequested)
                _error ??= typed ?? MigrationException.From(e, MigrationSide.Source, "The engine failed");
            if (_error is { } error) error.Phase ??= phase;
        }
    }

    /// <summary>8: migration_iteration_finish. Log off, connection closed, guest where it belongs.</summary>
    void Finish()
    {
        if (_isFinished) return;
        _isFinished = true;
        Surely(EndThrottle);
        Surely(StopClocks);
        Surely(_ram.Cleanup);
        Surely(PlaceGuest);
        Surely(CloseConnection);
        _guest.Unclaim(this);
        if (_location == GuestLocation.Destination && _error is null && !_parameters.KeepSource) GuestRegistry.Remove(_guest);
    }

    void StopClocks()
    {
        lock (_lock)
        {
            _timer?.Dispose();
            _watchdog?.Dispose();
            if (_error is not null && _status != MigrationStatus.Cancelling) MoveTo(MigrationStatus.Failing);
        }
    }

    void PlaceGuest()
    {
        switch (_location)
        {
            case GuestLocation.Source:
                _guest.ReturnToSource();
                break;
            case GuestLocation.Destination or GuestLocation.RamOnly or GuestLocation.File:
                _guest.HandOver(_destination, _location);
                break;
            case GuestLocation.InDoubt:
                // Where RUN has come alone says nothing of the memory.
                _guest.PutInDoubt(_destination, _isPostcopy && HandsOverByRun ? TellGivenUp : _settle);
                break;
            case GuestLocation.Lost:
                _guest.LoseAtDestination(_destination, _mayRunThere);
                GuestRegistry.TakePlaceBack(_guest);
                break;
        }
    }

    /// <summary>In peace when the destination has said its last word, which also means that nobody else reads; else at once.</summary>
    void CloseConnection()
    {
        var hasEnded = _returnPath?.WaitEnded(TimeSpan.FromMilliseconds(250)) != false;
        CloseChannels(hasEnded);
        if (!hasEnded || _status != MigrationStatus.Completed) AbortPreempt();
        DropPreempt();
        if (!hasEnded) _connection?.Abort();
        _connection?.Dispose();
        _monitor?.Dispose();
        _returnPath?.WaitEnded(TimeSpan.FromSeconds(5));
    }
}
