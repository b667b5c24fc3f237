using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>Phase 5.3, migration_completion: the guest stops, what is left is sent, and the guest changes hands.</summary>
sealed partial class OutgoingMigration
{
    readonly List<string> _leftOut = [];
    readonly DowntimeClock _downtime = new();
    bool _guestRan;
    string? _sourceDigest;
    string? _destinationDigest;
    bool _givesStateDigest;
    string? _sourceStateDigest;
    string? _destinationStateDigest;
    static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);
    const long SmallBacklog = 64 << 10;
    long _caughtUpAt;
    int _vainCatchUps;
    long _dirtyInCatchUps;
    volatile bool _waitsForDestination;

    /// <summary>
    /// Lets the destination load what is in the link's buffers while the guest runs: a stopped one would wait for that. Not again for the
    /// little that was sent since, and after each time in vain for 16 times as much: over a link with a long way there and back a guest
    /// that always writes would never be stopped. Whether it may be stopped now.
    /// </summary>
    bool CatchUp()
    {
        if (_oneWay is not null || _writer!.Position - _caughtUpAt <= SmallBacklog << Math.Min(4 * _vainCatchUps, 40)) return true;
        AwaitLoaded();
        if (SwitchoverRule.MaySwitchOver(_ram.PendingExact(), Threshold())) return true;
        _dirtyInCatchUps += _ram.DirtyPagesFound;
        if (_vainCatchUps++ == 0) Decide("Catch up", "before the guest stops", "after more was sent", "The guest wrote more meanwhile than may be left.");
        return false;
    }

    /// <summary>Returns when the destination has loaded all that was sent.</summary>
    void AwaitLoaded()
    {
        CommandRecord.WritePing(_writer!, Handshake.FirstPing);
        _writer!.Flush();
        WaitFor(ReturnPathType.Pong);
        _caughtUpAt = _writer.Position;
    }

    void SwitchOver()
    {
        StopGuest();
        _phases.Run(MigrationPhase.CompletePrecopy, this, static self => self.CompletePrecopy());
        _waitsForDestination = true;
        HandOver();
        lock (_lock) MoveTo(MigrationStatus.Completed);
    }

    /// <summary>5.3.1, and what the other end is told of it, however the guest goes over.</summary>
    void StopGuest()
    {
        _isToStop = true;
        _downtime.Start();
        _guestRan = _phases.Run(MigrationPhase.StopGuest, this, static self => self._guest.StopForSwitchover());
        EndCost();
        _downtime.End(DowntimePart.Stop);
        if (_parameters.PauseBeforeSwitchover) WaitForLeave();
        Advance(MigrationStatus.Device);
        if (HandsOverByRun) CommandRecord.Write(_writer!, CommandType.SwitchoverStart);
    }

    /// <summary>pause-before-switchover: the guest stands until Complete-Migration.</summary>
    void WaitForLeave()
    {
        Advance(MigrationStatus.PreSwitchover);
        while (!_switchoverAllowed.Wait(SignOfLife))
        {
            // A receiver gives up on a source that says nothing; a file or a command has all the time there is.
            if (_oneWay is not null) continue;
            CommandRecord.WritePing(_writer!, Handshake.FirstPing);
            _writer!.Flush();
        }
        _downtime.End(DowntimePart.Waiting);
    }

    /// <summary>5.3.2: qemu_savevm_state_complete_precopy.</summary>
    void CompletePrecopy()
    {
        _phases.Run(MigrationPhase.SyncCpus, this, static self => self._machine.TakeCpus());
        _phases.Run(MigrationPhase.CompleteRam, this, static self => self.CompleteRam());
        _downtime.End(DowntimePart.FinalRam);
        _phases.Run(MigrationPhase.SaveDevices, this, static self => self.SaveDevices());
        _downtime.End(DowntimePart.State);
    }

    void CompleteRam()
    {
        _ram.Section.WriteBare(_writer!, RecordType.SectionEnd);
        _ram.SaveComplete(_writer!);
        WriteRamFooter();
    }

    void SaveDevices()
    {
        if (_own is not null) _own.IsToRun = _guestRan;
        _machine.WriteSections(_writer!);
        if (_parameters.Verify && HandsOverByRun) _sourceStateDigest = Convert.ToHexStringLower(_own!.Digest());
        _leftOut.AddRange(_machine.LeftOut);
        if (_own is { IsForQemu: true }) _leftOut.Add("READY and RUN");
        if (!HandsOverByRun)
        {
            // A QEMU takes over with the last byte, so leave must be given before it.
            _writer!.Flush();
            Commit();
        }
        SendEnd();
    }

    /// <summary>Machines up to 2.3 have no footers.</summary>
    void WriteRamFooter()
    {
        if (_machine.HasFooters) _ram.Section.WriteFooter(_writer!);
    }

    void SendEnd()
    {
        try
        {
            _machine.WriteEnd(_writer!);
            _writer!.Flush();
        }
        catch (MigrationException e) when (_isCommitted && _oneWay is null)
        {
            // How much of it arrived is unknown; the way back, or its end, tells.
            Decide("Handover", "sent", "in question", e.Message);
        }
        catch (MigrationException) when (_oneWay is FileTarget { CanSeek: true })
        {
            // A file that is not whole never has its name, so nobody can go on from it.
            TakeBack();
            throw;
        }
    }
}
