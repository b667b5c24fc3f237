using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Source;

/// <summary>Phase 5.3, migration_completion: the guest stops, what is left is sent, and the guest changes hands.</summary>
sealed partial class OutgoingMigration
{
    readonly VmDescription _description = new();
    readonly List<string> _leftOut = [];
    uint _sections = 1;
    DowntimeParts _downtime = DowntimeParts.Zero;
    bool _guestRan;
    string? _sourceDigest;
    string? _destinationDigest;
    static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);
    static readonly TimeSpan ShortestQuestion = TimeSpan.FromSeconds(1);
    Func<TimeSpan, SettleOutcome>? _settle;
    volatile bool _waitsForDestination;

    // Section ids are the sender's choice; ram has 1.
    uint NextSection() => ++_sections;

    void SwitchOver()
    {
        var stopped = Stopwatch.GetTimestamp();
        var runs = _phases.Run(MigrationPhase.StopGuest, _guest.StopForSwitchover);
        _guestRan = runs;
        if (_parameters.PauseBeforeSwitchover) stopped = WaitForLeave(stopped);
        Advance(MigrationStatus.Device);
        if (_peer == PeerKind.PsMigrate) CommandRecord.Write(_writer!, CommandType.SwitchoverStart);
        _phases.Run(MigrationPhase.CompletePrecopy, () => CompletePrecopy(stopped, runs));
        _waitsForDestination = true;
        if (_peer == PeerKind.PsMigrate) HandOverToOurs();
        else HandOverToQemu();
        lock (_lock) MoveTo(MigrationStatus.Completed);
    }

    /// <summary>pause-before-switchover: the guest stands until Complete-Migration. Returns when the clock of the rest starts.</summary>
    long WaitForLeave(long stopped)
    {
        Advance(MigrationStatus.PreSwitchover);
        while (!_switchoverAllowed.Wait(SignOfLife))
        {
            // A receiver gives up on a source that says nothing.
            CommandRecord.WritePing(_writer!, Handshake.FirstPing);
            _writer!.Flush();
        }
        _downtime = _downtime with { Waiting = Since(stopped) };
        return Stopwatch.GetTimestamp();
    }

    /// <summary>5.3.2: qemu_savevm_state_complete_precopy.</summary>
    void CompletePrecopy(long stopped, bool runs)
    {
        var cpus = _phases.Run(MigrationPhase.SyncCpus, () => _guest.Cpus.Select(cpu => CpuState.Take(cpu, _guest.Memory.Ram.Pages)).ToList());
        _phases.Run(MigrationPhase.CompleteRam, () =>
        {
            _ram.Section.WriteBare(_writer!, RecordType.SectionEnd);
            _ram.SaveComplete(_writer!);
            _ram.Section.WriteFooter(_writer!);
        });
        _downtime = _downtime with { FinalRam = Since(stopped) };
        var ramDone = Stopwatch.GetTimestamp();
        _phases.Run(MigrationPhase.SaveDevices, () => SaveDevices(cpus, runs));
        _downtime = _downtime with { State = Since(ramDone) };
    }

    void SaveDevices(List<CpuState> cpus, bool runs)
    {
        IDeviceState[] devices = [.. cpus, _guest.Timer, _guest.Counter];
        if (_peer == PeerKind.PsMigrate)
        {
            foreach (var device in devices) SaveDevice(device);
        }
        else
        {
            _leftOut.Add(GuestAnnouncement.Section);
            _leftOut.AddRange(devices.Select(device => $"{device.Description.Name}/{device.Instance}"));
            _leftOut.Add("READY and RUN");
        }
        var section = new SectionHeader(NextSection(), GlobalState.Section, 0, GlobalState.Version);
        section.WriteNamed(_writer!, RecordType.SectionFull);
        // A QEMU without vCPUs has nothing to run; it is told so, and stays paused with the memory.
        GlobalState.Write(_writer!, runs && _peer == PeerKind.PsMigrate);
        section.WriteFooter(_writer!);
        _description.Add(GlobalState.Section, 0, GlobalState.BodySize);
        if (_peer == PeerKind.Qemu)
        {
            // A QEMU takes over with the last byte, so leave must be given before it.
            _writer!.Flush();
            Commit();
        }
        _writer!.Byte((byte)RecordType.Eof);
        _description.Write(_writer);
        FlushLast();
    }

    void FlushLast()
    {
        try
        {
            _writer!.Flush();
        }
        catch (MigrationException e) when (_isCommitted)
        {
            // How much of it arrived is unknown; the way back, or its end, tells.
            Decide("Handover", "sent", "in question", e.Message);
        }
    }

    void SaveDevice(IDeviceState device)
    {
        var description = device.Description;
        var section = new SectionHeader(NextSection(), description.Name, device.Instance, description.Version);
        section.WriteNamed(_writer!, RecordType.SectionFull);
        DeviceSection.WriteBody(_writer!, description);
        section.WriteFooter(_writer!);
        _description.Add(device.Instance, description);
    }

    /// <summary>READY, RUN, RUNNING. Before RUN everything is undone by an error; after it only the destination's word counts.</summary>
    void HandOverToOurs()
    {
        var sent = Stopwatch.GetTimestamp();
        if (_parameters.Verify) _sourceDigest = RamDigest.Compute(_guest.Memory);
        var ready = _returnPath!.Wait(Parameters.AnswerTimeout + DigestTime, ReturnPathType.Ready).Payload;
        if (_parameters.Verify)
        {
            _destinationDigest = Convert.ToHexStringLower(ready.AsSpan(16));
            if (_destinationDigest != _sourceDigest)
                throw new MigrationException(MigrationErrorId.VerifyMismatch, MigrationSide.Link,
                    $"The memories differ: source {_sourceDigest}, destination {_destinationDigest}. The guest was not handed over.");
        }
        _downtime = _parameters.Verify ? _downtime with { Verify = Since(sent) } : _downtime with { Handover = Since(sent) };
        var resume = Stopwatch.GetTimestamp();
        var instance = new Guid(ready.AsSpan(0, 16));
        _settle = within => Settlement.Ask(_connect, _uuid, instance, within);
        Commit();
        try
        {
            CommandRecord.Write(_writer!, CommandType.Run);
            _writer!.Flush();
            WaitFor(ReturnPathType.Running);
        }
        catch (MigrationException e)
        {
            if (_returnPath!.Failure is null) SettleAfterRun(e);
            else TakeBack();
            if (_location == GuestLocation.Source) throw;
        }
        _downtime = _downtime with { Resume = Since(resume) };
        _location = GuestLocation.Destination;
    }

    /// <summary>
    /// The link was lost after RUN: the ends try to meet again. Returns when the destination said who has the guest; else throws.
    /// </summary>
    void SettleAfterRun(MigrationException reason)
    {
        var clock = Stopwatch.StartNew();
        var outcome = _settle!(Longer(Parameters.SettleTimeout, ShortestQuestion));
        while (outcome == SettleOutcome.Unknown && clock.Elapsed < Parameters.SettleTimeout)
        {
            Thread.Sleep(200);
            outcome = _settle(Longer(Parameters.SettleTimeout - clock.Elapsed, ShortestQuestion));
        }
        Decide("Handover", "link lost after RUN", outcome.ToString(), "The destination was asked what became of the guest.");
        if (outcome == SettleOutcome.Discarded) TakeBack();
        if (outcome != SettleOutcome.Unknown) return;
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

    /// <summary>A QEMU says SHUT 0 when it has loaded everything; a link lost before that leaves it open.</summary>
    void HandOverToQemu()
    {
        var sent = Stopwatch.GetTimestamp();
        try
        {
            WaitFor(ReturnPathType.Shut);
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.DestinationFailed)
        {
            TakeBack();
            throw;
        }
        catch (MigrationException e)
        {
            throw new MigrationException(MigrationErrorId.HandoverInDoubt, MigrationSide.Link,
                $"The link was lost between the last byte and the destination's word: {e.Message}", e);
        }
        _downtime = _downtime with { Handover = Since(sent) };
        _location = GuestLocation.RamOnly;
    }
}
