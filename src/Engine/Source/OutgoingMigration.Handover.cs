using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Source;

/// <summary>How the guest changes hands: to a receiver of ours, to a QEMU, to a file or a command.</summary>
sealed partial class OutgoingMigration
{
    static readonly TimeSpan ShortestQuestion = TimeSpan.FromSeconds(1);
    // Made before the guest stops.
    readonly Func<TimeSpan, SettleOutcome> _settleByAsking;
    readonly Action<ReturnPathMessage> _giveLeave;
    readonly Action<ReturnPathMessage> _endResume;
    MigrationException? _runError;
    Func<TimeSpan, SettleOutcome>? _settle;
    Guid _instance;

    /// <summary>
    /// Whether the guest is one of ours at a receiver of ours, which waits for RUN; all others have it when they have the last byte.
    /// </summary>
    bool HandsOverByRun => _own is not null && _peer == PeerKind.PsMigrate;

    void HandOver()
    {
        if (_oneWay is { } link) HandOverOneWay(link);
        else if (HandsOverByRun) HandOverToOurs();
        else HandOverToQemu();
    }

    /// <summary>READY, RUN, RUNNING. Before RUN everything is undone by an error; after it only the destination's word counts.</summary>
    void HandOverToOurs()
    {
        if (_parameters.Verify) _sourceDigest = RamDigest.Compute(_guest.Memory);
        _returnPath!.Wait(Parameters.AnswerTimeout + DigestTime, ReturnPathType.Ready, _giveLeave);
        try
        {
            if (_runError is not null) throw _runError;
            _returnPath.Wait(Parameters.AnswerTimeout, ReturnPathType.Running, _endResume);
        }
#pragma warning disable CA1031 // Whatever it is, only the destination can say who has the guest.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            var e = MigrationException.From(thrown, MigrationSide.Source, "The handover failed");
            // In postcopy a link that was lost is one to be made anew, whoever has the guest; but for one that was never taken.
            var outcome = _returnPath.Failure is null ? SettleAfterRun(e) : SettleOutcome.Discarded;
            if (outcome == SettleOutcome.Discarded) TakeBack();
            if (_location == GuestLocation.Source) throw;
            _downtime.End(DowntimePart.Resume);
            if (_isPostcopy) _lostLink = e;
            if (outcome == SettleOutcome.Unknown) return;
        }
        lock (_lock) _location = GuestLocation.Destination;
    }

    /// <summary>READY has come: the digests are compared, and RUN leaves. By whichever thread has the message first; the other one waits.</summary>
    void GiveLeave(ReturnPathMessage ready)
    {
        if (_parameters.Verify) CompareDigests(ready.Payload.AsSpan(16));
        _instance = new Guid(ready.Payload.AsSpan(0, 16));
        _settle = _settleByAsking;
        if (_isPostcopy) CommitToPostcopy();
        else Commit();
        _downtime.End(_parameters.Verify ? DowntimePart.Verify : DowntimePart.Handover);
        try
        {
            CommandRecord.Write(_writer!, CommandType.Run);
            _writer!.Flush();
        }
#pragma warning disable CA1031 // Whether RUN has arrived is for the destination to say.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _runError = MigrationException.From(e, MigrationSide.Source, "RUN could not be sent");
        }
    }

    /// <summary>That of RAM, and behind it that of vCPUs and devices, from an end that gives one.</summary>
    void CompareDigests(ReadOnlySpan<byte> theirs)
    {
        var ram = Math.Min(theirs.Length, RamDigest.Size);
        _destinationDigest = Convert.ToHexStringLower(theirs[..ram]);
        if (_givesStateDigest) _destinationStateDigest = Convert.ToHexStringLower(theirs[ram..]);
        Compare("memories", _sourceDigest!, _destinationDigest);
        if (_destinationStateDigest is { } state) Compare("states of vCPUs and devices", _sourceStateDigest!, state);
    }

    static void Compare(string what, string source, string destination)
    {
        if (source != destination)
            throw new MigrationException(MigrationErrorId.VerifyMismatch, MigrationSide.Link,
                $"The {what} differ: source {source}, destination {(destination.Length == 0 ? "none" : destination)}. The guest was not handed over.");
    }

    SettleOutcome AskDestination(TimeSpan within) => Settlement.Ask(_connect, _uuid, _instance, within);

    /// <summary>
    /// The link was lost after RUN: the ends try to meet again. Throws HandoverInDoubt when the destination did not say who has the guest,
    /// except in postcopy, which needs the two to meet again anyway.
    /// </summary>
    SettleOutcome SettleAfterRun(MigrationException reason)
    {
        var clock = Stopwatch.StartNew();
        var outcome = _settle!(Longer(Parameters.SettleTimeout, ShortestQuestion));
        while (outcome == SettleOutcome.Unknown && clock.Elapsed < Parameters.SettleTimeout)
        {
            Thread.Sleep(200);
            outcome = _settle(Longer(Parameters.SettleTimeout - clock.Elapsed, ShortestQuestion));
        }
        Decide("Handover", "link lost after RUN", outcome.ToString(), "The destination was asked what became of the guest.");
        if (outcome != SettleOutcome.Unknown || _isPostcopy) return outcome;
        throw new MigrationException(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
            $"The link was lost after the destination had leave to run the guest, and it can't be asked: {reason.Message}", reason);
    }

    /// <summary>What the destination may need for its digest: one of 100 MB/s would be a very slow one.</summary>
    TimeSpan DigestTime => _parameters.Verify ? TimeSpan.FromSeconds(_guest.MemorySize / 100e6) : TimeSpan.Zero;

    static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>The destination said that it will not run the guest.</summary>
    void TakeBack()
    {
        lock (_lock) _location = GuestLocation.Source;
    }

    /// <summary>
    /// Whether a QEMU that has all of the guest runs it without another word. One of machine none has no vCPU, and one that was sent as
    /// paused waits to be told.
    /// </summary>
    bool RunsThereByItself => _guest.Machine?.RunState == GlobalState.Running && !_letsRun;

    /// <summary>
    /// A QEMU says SHUT 0 when it has loaded everything; a link lost before that leaves it open. So does SHUT 1 of a guest that may run by
    /// itself: a QEMU that lacks a part of the description alone, which it can do without, runs it and says SHUT 1 for the broken link.
    /// </summary>
    void HandOverToQemu()
    {
        try
        {
            WaitFor(ReturnPathType.Shut);
        }
        catch (MigrationException e) when (!RunsThereByItself && (e.Id == MigrationErrorId.DestinationFailed || _returnPath!.Failure is not null))
        {
            TakeBack();
            throw;
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.DestinationFailed)
        {
            throw new MigrationException(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
                $"A QEMU says so too when it has the guest and the link broke behind that: {e.Message}", e);
        }
        catch (MigrationException e)
        {
            throw new MigrationException(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
                $"The link was lost between the last byte and the destination's word: {e.Message}", e);
        }
        _downtime.End(DowntimePart.Handover);
        _location = _own is null ? GuestLocation.Destination : GuestLocation.RamOnly;
        LetRun();
    }

    /// <summary>A guest that was sent as paused runs when the QEMU that has it is told to, so that a broken link leaves none running.</summary>
    void LetRun()
    {
        if (!_letsRun) return;
        try
        {
            _monitor!.Continue(Parameters.AnswerTimeout);
        }
        catch (MigrationException e)
        {
            throw new MigrationException(e.Id, MigrationSide.Destination,
                $"Guest {_guest.Name} is at the destination and stands there paused; it could not be told to run: {e.Message}", e);
        }
        _downtime.End(DowntimePart.Resume);
    }

    /// <summary>
    /// The last byte has left: a file is made to last, a command is waited for. One that fails has not taken the guest; of one that
    /// goes on nobody can say.
    /// </summary>
    void HandOverOneWay(IOneWayConnection link)
    {
        try
        {
            link.Complete(Parameters.AnswerTimeout);
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.PeerSilent)
        {
            throw new MigrationException(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
                $"It is not known whether {_destination} has the guest: {e.Message}", e);
        }
        catch (MigrationException)
        {
            TakeBack();
            throw;
        }
        _downtime.End(DowntimePart.Handover);
        _location = GuestLocation.File;
    }
}
