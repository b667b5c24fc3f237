using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>The guest runs at the destination: what it lacks follows it, over as many connections as that takes.</summary>
sealed partial class OutgoingMigration
{
    // An answer is asked for with this one, in the middle of pages (QEMU's fourth).
    const uint PagesPing = 4;

    MigrationException? _lostLink;
    bool _isOverThere;
    bool _isPrecopyOver;
    long _lifeShown;
    long _receivedThen;
    PostcopyFigures? _postcopy;

    void FollowInPostcopy()
    {
        while (_lostLink is not null || !TrySendRest())
        {
            var lost = _lostLink!;
            _lostLink = null;
            _phases.Run(MigrationPhase.DetectError, () => AwaitRecovery(lost));
        }
        if (_letRunError is not null) throw _letRunError;
        lock (_lock) MoveTo(MigrationStatus.Completed);
    }

    /// <summary>Whether the guest went over and this end stops before the destination has said that it has all of it.</summary>
    bool IsLeftBehind => _isPostcopy && _isCommitted && !_isOver && !_isOverThere && _location != GuestLocation.Source;

    /// <summary>What went before the switch is a pass of its own, and what follows is another.</summary>
    void EndPrecopyPass()
    {
        if (_isPrecopyOver) return;
        _isPrecopyOver = true;
        if (SentPages == _passPages) return;
        lock (_lock)
        {
            _window.Update(SentBytes, SentPages, needsFigure: true);
            _dirtyFound = _ram.DirtyPagesFound;
            _estimate = null;
            _journal.Add(Snapshot());
        }
        BeginPass();
    }

    /// <summary>True when the destination has all. Whatever goes wrong is a link to be made anew: the guest is not here any more.</summary>
    bool TrySendRest()
    {
        try
        {
            EndPrecopyPass();
            if (!_isOverThere) SendRest();
            _isOverThere = true;
            return true;
        }
#pragma warning disable CA1031 // Nothing on this end may end a guest that runs at the other.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _lostLink = MigrationException.From(e, MigrationSide.Source, "The engine failed");
            return false;
        }
    }

    void SendRest()
    {
        (_lifeShown, _receivedThen) = (Stopwatch.GetTimestamp(), -1);
        while (_ram.PendingEstimate > 0)
        {
            _phases.Run(MigrationPhase.Iteration, () => _phases.Run(MigrationPhase.Iterate, IterateInPostcopy));
            _phases.Run(MigrationPhase.DetectError, _returnPath!.ThrowIfEnded);
            _phases.Run(MigrationPhase.UpdateCounters, UpdateCountersInPostcopy);
        }
        EndPreempt();
        _ram.Section.WriteBare(_writer!, RecordType.SectionEnd);
        _ram.SavePostcopyEnd(_writer!);
        WriteRamFooter();
        _writer!.Byte((byte)RecordType.Eof);
        _writer.Flush();
        AwaitShut();
    }

    /// <summary>The destination's last word, and right before it, from one of ours, what it cost the guest.</summary>
    void AwaitShut()
    {
        WaitFor(ReturnPathType.Shut);
        TakeFigures();
    }

    void TakeFigures()
    {
        if (_returnPath!.TryTake(ReturnPathType.PostcopyFigures) is not { } message) return;
        try
        {
            _postcopy = PostcopyFiguresMessage.Read(message);
        }
        catch (MigrationException e)
        {
            // The guest is there, whatever is said of it.
            Decide("Figures of the postcopy", "told", "not taken", e.Message);
        }
    }

    /// <summary>5.2: what was asked for, and as much else as the window still allows.</summary>
    void IterateInPostcopy()
    {
        var budget = PostcopyBudget;
        if (budget > 0 || !_ram.Requests.IsEmpty) SendPages(Math.Max(0, budget));
    }

    void SendPages(long maxBytes)
    {
        _ram.Section.WriteBare(_writer!, RecordType.SectionPart);
        _ram.SavePostcopy(_writer!, maxBytes);
        WriteRamFooter();
        _writer!.Flush();
    }

    /// <summary>7: where the limit is used up, pages that the guest waits for are waited for.</summary>
    void UpdateCountersInPostcopy()
    {
        _window.Update(SentBytes, SentPages);
        if (_ram.PendingEstimate == 0 || PostcopyBudget > 0) return;
        _ram.Requests.Wait(_window.Left);
        _window.Update(SentBytes, SentPages);
        ShowLife();
    }

    long PostcopyBudget => _window.Budget(SentBytes, Parameters.MaxPostcopyBandwidth);

    /// <summary>A destination that is sent little is told that this end lives, and has to answer. Throws PeerSilent.</summary>
    void ShowLife()
    {
        var isAnswered = _receivedThen != _connection!.BytesReceived;
        if (!isAnswered && Since(_lifeShown) > Parameters.AnswerTimeout)
            throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                $"The destination has said nothing for {Parameters.AnswerTimeout.TotalSeconds:0.#} s.");
        if (!isAnswered || Since(_lifeShown) < SignOfLife) return;
        (_lifeShown, _receivedThen) = (Stopwatch.GetTimestamp(), _connection.BytesReceived);
        CommandRecord.WritePing(_writer!, Handshake.FirstPing);
        _writer!.Flush();
    }
}
