using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>Phase 5.3, migration_completion: the guest stops, what is left is sent, and the guest changes hands.</summary>
sealed partial class OutgoingMigration
{
    readonly List<string> _leftOut = [];
    DowntimeParts _downtime = DowntimeParts.Zero;
    bool _guestRan;
    string? _sourceDigest;
    string? _destinationDigest;
    static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);
    const long SmallBacklog = 64 << 10;
    long _caughtUpAt;
    volatile bool _waitsForDestination;

    /// <summary>
    /// Lets the destination load what is in the link's buffers while the guest runs: a stopped one would wait for that. Not again for the
    /// little that was sent since, or a guest that always writes would never be stopped. Whether it had to.
    /// </summary>
    bool CatchUp()
    {
        if (_oneWay is not null || _writer!.Position - _caughtUpAt <= SmallBacklog) return false;
        CommandRecord.WritePing(_writer, Handshake.FirstPing);
        _writer.Flush();
        WaitFor(ReturnPathType.Pong);
        _caughtUpAt = _writer.Position;
        return true;
    }

    void SwitchOver()
    {
        var stopped = Stopwatch.GetTimestamp();
        var runs = _phases.Run(MigrationPhase.StopGuest, _guest.StopForSwitchover);
        _guestRan = runs;
        _downtime = _downtime with { Stop = Since(stopped) };
        stopped = Stopwatch.GetTimestamp();
        if (_parameters.PauseBeforeSwitchover) stopped = WaitForLeave(stopped);
        Advance(MigrationStatus.Device);
        if (HandsOverByRun) CommandRecord.Write(_writer!, CommandType.SwitchoverStart);
        _phases.Run(MigrationPhase.CompletePrecopy, () => CompletePrecopy(stopped, runs));
        _waitsForDestination = true;
        HandOver();
        lock (_lock) MoveTo(MigrationStatus.Completed);
    }

    /// <summary>pause-before-switchover: the guest stands until Complete-Migration. Returns when the clock of the rest starts.</summary>
    long WaitForLeave(long stopped)
    {
        Advance(MigrationStatus.PreSwitchover);
        while (!_switchoverAllowed.Wait(SignOfLife))
        {
            // A receiver gives up on a source that says nothing; a file or a command has all the time there is.
            if (_oneWay is not null) continue;
            CommandRecord.WritePing(_writer!, Handshake.FirstPing);
            _writer!.Flush();
        }
        _downtime = _downtime with { Waiting = Since(stopped) };
        return Stopwatch.GetTimestamp();
    }

    /// <summary>5.3.2: qemu_savevm_state_complete_precopy.</summary>
    void CompletePrecopy(long stopped, bool runs)
    {
        _phases.Run(MigrationPhase.SyncCpus, _machine.TakeCpus);
        _phases.Run(MigrationPhase.CompleteRam, () =>
        {
            _ram.Section.WriteBare(_writer!, RecordType.SectionEnd);
            _ram.SaveComplete(_writer!);
            WriteRamFooter();
        });
        _downtime = _downtime with { FinalRam = Since(stopped) };
        var ramDone = Stopwatch.GetTimestamp();
        _phases.Run(MigrationPhase.SaveDevices, () => SaveDevices(runs));
        _downtime = _downtime with { State = Since(ramDone) };
    }

    void SaveDevices(bool runs)
    {
        if (_own is not null) _own.IsToRun = runs;
        _machine.WriteSections(_writer!);
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
    }
}
