using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>A postcopy whose link broke: it waits, goes on over another link (postcopy_do_resume of QEMU), or is given up.</summary>
sealed partial class OutgoingMigration
{
    RecoveryRequest? _recovery;
    bool _isGivenUp;
    // Of a guest that is lost: whether the destination has not said that it does not run there any more.
    bool _mayRunThere;
    bool _isPausedOnPurpose;
    volatile bool _isOver;

    /// <summary>Makes the connections to another address.</summary>
    public Func<string, Func<CancellationToken, IConnection>>? ConnectTo { get; init; }

    public void Pause()
    {
        lock (_lock)
        {
            if (_status is not (MigrationStatus.PostcopyActive or MigrationStatus.PostcopyRecover))
                throw InvalidState($"Only a migration in postcopy can be paused, and this one is {_status}.");
            _isPausedOnPurpose = true;
        }
        AbortLinks();
        lock (_lock)
            while (_status is MigrationStatus.PostcopyActive or MigrationStatus.PostcopyRecover && Monitor.Wait(_lock, _parameters.AnswerTimeout))
            {
            }
    }

    public void Recover(string? destination)
    {
        RecoveryRequest request;
        lock (_lock)
        {
            CheckPaused("go on");
            var isElsewhere = destination is not null && destination != _destination;
            request = new RecoveryRequest(destination ?? _destination, isElsewhere, isElsewhere ? ConnectTo!(destination!) : _connect);
            _recovery = request;
            Monitor.PulseAll(_lock);
        }
        try
        {
            request.Wait();
        }
        catch (MigrationException) when (_isOver)
        {
            _journal.Wait(null);
            throw;
        }
    }

    public void GiveUp()
    {
        lock (_lock)
        {
            CheckPaused("be given up");
            _isGivenUp = true;
            Monitor.PulseAll(_lock);
        }
        _journal.Wait(null);
    }

    // The caller holds the lock.
    void CheckPaused(string what)
    {
        if (_status != MigrationStatus.PostcopyPaused || _isGivenUp || _isOver)
            throw InvalidState($"Only a migration that is PostcopyPaused can {what}, and this one is {(_isGivenUp || _isOver ? MigrationStatus.Failing : _status)}.");
        if (_recovery is not null) throw InvalidState("The migration is being recovered already.");
    }

    /// <summary>Returns when pages can go again, or all are there. Throws when the guest will not be whole any more.</summary>
    void AwaitRecovery(MigrationException lost)
    {
        // The reason may be on its way.
        if (_returnPath is { } back && WaitGivenUp(back))
        {
            DropLinks();
            throw Lost($"The destination gave up: {(back.Failure ?? lost).Message}", back.Failure ?? lost, isCertain: HandsOverByRun);
        }
        if (TryEndThere()) return;
        DropLinks();
        Rest(lost);
        while (NextRequest() is { } request)
            if (TryRecover(request)) return;
        EndGivenUp(lost);
    }

    /// <summary>
    /// Whether the destination has said that its guest is lost. One of ours always says why: SHUT with an error alone is a word that was
    /// damaged on its way, and it is asked for it again.
    /// </summary>
    bool HasGivenUp(ReturnPath back) => HandsOverByRun ? back.Failure is not null : back.HasGivenUp;

    /// <summary>The same, of words that may be on their way. A reason that has come is enough: its SHUT may be late, or never come.</summary>
    bool WaitGivenUp(ReturnPath back)
    {
        if (!HasGivenUp(back)) back.WaitEnded(ReasonTime);
        return HasGivenUp(back);
    }

    /// <summary>Whether the last word of a destination that was sent everything has come, although the link broke.</summary>
    bool TryEndThere()
    {
        if (!HandsOverByRun || _ram.PendingEstimate > 0 || _returnPath?.TryTake(ReturnPathType.Shut) is null) return false;
        TakeFigures();
        DropLinks();
        _isOverThere = true;
        return true;
    }

    /// <summary>
    /// The user gives it up. A destination of ours is told when it can be reached: it would else wait for what never comes, and it may know
    /// better. Returns when the guest is whole there. Throws what became of it otherwise.
    /// </summary>
    void EndGivenUp(MigrationException lost)
    {
        var outcome = HandsOverByRun ? TellGivenUp(Longer(Parameters.SettleTimeout, ShortestQuestion)) : SettleOutcome.Unknown;
        Decide("Recovery", "given up", outcome.ToString(), HandsOverByRun ? "The destination was told, and asked what it has." : "The destination can't be told.");
        if (outcome == SettleOutcome.Discarded) throw TakenBack();
        if (outcome != SettleOutcome.RunsThere)
            throw Lost("The migration was given up while its link was broken.", lost, isCertain: outcome == SettleOutcome.Lost);
        Step(MigrationStatus.PostcopyRecoverSetup);
        Step(MigrationStatus.PostcopyRecover);
        lock (_lock)
        {
            (_location, _isOverThere) = (GuestLocation.Destination, true);
            MoveTo(MigrationStatus.PostcopyActive);
        }
    }

    SettleOutcome TellGivenUp(TimeSpan within) => Settlement.GiveUp(_connect, _uuid, _instance, within);

    void Rest(MigrationException lost)
    {
        lock (_lock)
        {
            MoveTo(MigrationStatus.PostcopyPaused);
            Decide("Link", "up", _isPausedOnPurpose ? "broken on purpose" : "lost",
                $"{(_isPausedOnPurpose ? "Suspend-Migration was called" : lost.Message.TrimEnd('.'))}. At least {Left} of the guest is still here; Resume-Migration goes on.");
            (_wasPausedOnPurpose, _isPausedOnPurpose) = (_isPausedOnPurpose, false);
        }
    }

    /// <summary>Null when it is given up.</summary>
    RecoveryRequest? NextRequest()
    {
        lock (_lock)
        {
            while (_recovery is null && !_isGivenUp) Monitor.Wait(_lock);
            return _recovery;
        }
    }

    /// <summary>False when it is paused again. Throws what ends the migration.</summary>
    bool TryRecover(RecoveryRequest request)
    {
        Step(MigrationStatus.PostcopyRecoverSetup);
        try
        {
            Recover(request);
        }
#pragma warning disable CA1031 // Whatever it is, whoever asked for it waits, and another attempt may do better.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Fail(request, MigrationException.From(e, MigrationSide.Source, "The engine failed"));
            if (_isOver) throw;
            return false;
        }
        lock (_lock)
        {
            Decide("Recovery", request.Address, "connected", $"{Left} of the guest is still to be sent.");
            (_destination, _connect, _recovery, _isPausedOnPurpose) = (request.Address, request.Connect, null, false);
            MoveTo(MigrationStatus.PostcopyActive);
        }
        request.Succeed();
        return true;
    }

    void Fail(RecoveryRequest request, MigrationException error)
    {
        EngineThread.Guard(DropLinks, failed: null);
        lock (_lock)
        {
            error.Location = _location;
            _recovery = null;
            Decide("Recovery", request.Address, "failed", error.Message);
            MoveTo(MigrationStatus.PostcopyPaused);
        }
        request.Fail(error);
    }

    void Recover(RecoveryRequest request)
    {
        if (!HandsOverByRun) _monitor?.Recover(request.Address, Parameters.AnswerTimeout);
        var connection = request.Connect(_stop.Token);
        lock (_lock)
        {
            (_connection, _writer) = (connection, new WireWriter(connection.Output));
            _returnPath = NewReturnPath(connection);
            _watchedBytes = -1;
        }
        // A QEMU that takes it early says nothing before it has both.
        if (_preemptStyle == PreemptStyle.Early) ConnectPreempt(request.Connect);
        if (HandsOverByRun) Join(request);
        Step(MigrationStatus.PostcopyRecover);
        try
        {
            AgreeOnMissing(request);
        }
        catch (MigrationException e) when (HandsOverByRun && WaitGivenUp(_returnPath))
        {
            throw Lost($"The destination had given up: {(_returnPath.Failure ?? e).Message}", e, isCertain: true);
        }
        catch (MigrationException) when (HandsOverByRun && _returnPath.TryTake(ReturnPathType.Shut) is not null)
        {
            // It had all pages, and only its last words were lost, which it said once more.
            _isOverThere = true;
            TakeFigures();
        }
    }

    /// <summary>RECV_BITMAP for each block, RESUME, RESUME_ACK.</summary>
    void AgreeOnMissing(RecoveryRequest request)
    {
        foreach (var block in _guest.Memory.Blocks)
        {
            var received = new ulong[BitWords.Count(block.Pages)];
            _returnPath!.ExpectBitmap(block.Name, received);
            CommandRecord.Write(_writer!, CommandType.ReceiveBitmap, NameBytes(block.Name));
            _writer!.Flush();
            WaitFor(ReturnPathType.ReceiveBitmap);
            _ram.TakeReceived(block.Name, received);
        }
        _ram.ForgetBlock();
        if (_preemptStyle != PreemptStyle.Early) ConnectPreempt(request.Connect);
        CommandRecord.Write(_writer!, CommandType.PostcopyResume);
        _writer!.Flush();
        var answer = WaitFor(ReturnPathType.ResumeAck).Value;
        if (answer != 1)
            throw new MigrationException(MigrationErrorId.InvalidValue, MigrationSide.Destination, $"The destination answers RESUME with {answer}.");
        // A QEMU acknowledges before it has taken the channel, and a link that is cut in between ends it: it answers this behind that.
        if (_preemptStyle == PreemptStyle.Late) AwaitPages();
        if (IsRamOnly) lock (_lock) _location = GuestLocation.RamOnly;
        else if (!HandsOverByRun) lock (_lock) _location = GuestLocation.Destination;
    }

    /// <summary>To a receiver of ours: which migration it is, and whether its guest is still there. Throws DestinationRefused for another one.</summary>
    void Join(RecoveryRequest request)
    {
        Joining.Greet(_writer!);
        Joining.CheckPong(WaitFor(ReturnPathType.Pong));
        Joining.Send(_writer!, _uuid, JoinPurpose.Recovery);
        var (instance, outcome) = Joining.ReadOutcome(WaitFor(ReturnPathType.Outcome));
        // The right one may come back there, or be found elsewhere: whether it is gone for good only the user can know.
        if (instance != _instance)
            throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination,
                $"The receiver at {request.Address} is not the one that has the guest. Resume-Migration tries again, with -Destination elsewhere; if that receiver is gone for good, "
                + "Stop-Migration -Force gives the migration up.");
        if (outcome == HandoverOutcome.Unknown) throw Lost($"The receiver at {request.Address} has the guest no more.", null);
        if (outcome == HandoverOutcome.Discarded) throw TakenBack();
        lock (_lock) _location = GuestLocation.Destination;
    }

    /// <summary>
    /// The end, with a part of the guest gone. A guest whose memory alone was at a QEMU never ran there, and goes on here. One of which all has
    /// left may be whole there.
    /// </summary>
    /// <param name="why">A sentence.</param>
    /// <param name="inner">What came before.</param>
    /// <param name="isCertain">Whether the destination itself has said that the guest is not whole.</param>
    MigrationException Lost(string why, Exception? inner, bool isCertain = false)
    {
        _isOver = true;
        lock (_lock)
        {
            _mayRunThere = !isCertain;
            (_location, var error) = this switch
            {
                { IsRamOnly: true } => (GuestLocation.Source, new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                    $"{why} Machine none has no processors, so that the guest never ran there; it goes on here.", inner)),
                { _ram.PendingEstimate: 0 } when !isCertain => (GuestLocation.InDoubt, new(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
                    $"{why} All memory of guest {_guest.Name} has left, and the destination has not said that it came: the guest may run there whole, or be lost.", inner)),
                _ => (GuestLocation.Lost, new(MigrationErrorId.GuestLost, MigrationSide.Destination,
                    $"{why} What guest {_guest.Name} did since it went over is lost; what is here is the guest when it stopped here, which Resume-MigrationGuest -Force runs."
                    + (isCertain ? "" : $" It may still run at {_destination}: end it there first."), inner)),
            };
            return error;
        }
    }

    /// <summary>
    /// This end of a postcopy fails of itself, and nothing of the guest will come from here any more. A destination of ours is told, as of one that
    /// is given up. What became of the guest.
    /// </summary>
    MigrationException LeftBehind(Exception failure)
    {
        EngineThread.Guard(DropLinks, failed: null);
        var outcome = HandsOverByRun ? TellGivenUp(Longer(Parameters.SettleTimeout, ShortestQuestion)) : SettleOutcome.Unknown;
        if (outcome == SettleOutcome.Discarded) return TakenBack();
        if (outcome != SettleOutcome.RunsThere) return Lost($"The source failed: {failure.Message.TrimEnd('.')}.", failure, isCertain: outcome == SettleOutcome.Lost);
        lock (_lock) _location = GuestLocation.Destination;
        return MigrationException.From(failure, MigrationSide.Source, "The engine failed");
    }

    MigrationException TakenBack()
    {
        _isOver = true;
        TakeBack();
        return new(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
            "The destination had given the guest up before it had leave to run it; the guest is back at the source.");
    }

    string Left => string.Create(CultureInfo.InvariantCulture, $"{_ram.PendingEstimate / (double)(1 << 20):0.##} MB");

    void Step(MigrationStatus to)
    {
        lock (_lock) MoveTo(to);
    }

    void AbortLinks()
    {
        IConnection? connection;
        lock (_lock) connection = _connection;
        connection?.Abort();
        AbortPreempt();
        _channels?.Abort();
    }

    /// <summary>Cut hard, so that the other end notices; what they carried stays counted.</summary>
    void DropLinks()
    {
        AbortLinks();
        DropPreempt();
        _channels?.Dispose();
        var back = _returnPath;
        lock (_lock)
        {
            _sentBytes = SentBytes;
            _connection?.Dispose();
            (_returnPath, _connection, _writer, _channels) = (null, null, null, null);
        }
        back?.WaitEnded(TimeSpan.FromSeconds(5));
    }

    static byte[] NameBytes(string name)
    {
        var utf8 = System.Text.Encoding.UTF8.GetBytes(name);
        return [(byte)utf8.Length, .. utf8];
    }
}
