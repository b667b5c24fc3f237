using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>All is loaded: READY, RUN, and the guest runs here.</summary>
sealed partial class IncomingMigration
{
    void TakeOver()
    {
        if (_announcement is not { } announced)
        {
            ArriveWithoutCpus();
            return;
        }
        var cpus = _cpus.Select(cpu => cpu.ToCpu(_memory!.Ram));
        _guest = new MemoryGuest(announced.Uuid, announced.Name, _policy.HostName, _memory!, cpus, _timer, _counter);
        _counter.Migrations++;
        // The source has nothing to say meanwhile.
        _isDigesting = true;
        var digest = announced.Verify ? Convert.FromHexString(RamDigest.Compute(_memory!)) : null;
        HandoverLedger.Open(announced.MigrationUuid);
        Volatile.Write(ref _heardAt, Stopwatch.GetTimestamp());
        (_waitsForRun, _isDigesting) = (true, false);
        ReturnPathMessage.Ready(HandoverLedger.Instance, digest).Send(_back);
        WaitForRun(announced);
    }

    /// <summary>The guest may run here only once RUN is in the ledger; a source that asked before was told that it will not.</summary>
    void WaitForRun(GuestAnnouncement announced)
    {
        var type = (RecordType)_reader.Byte();
        if (type != RecordType.Command || CommandRecord.Read(_reader) != CommandType.Run)
            throw _reader.Error(MigrationErrorId.OutOfOrder, "RUN was expected.");
        var start = Stopwatch.GetTimestamp();
        // The name may have been taken while the guest was on its way; then the source still gets it back.
        if (!HandoverLedger.TryRun(announced.MigrationUuid, () => GuestRegistry.Arrive(_guest!, announced.MigrationUuid)))
            throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The source gave the handover up before RUN arrived.");
        _hasArrived = true;
        if (_wantsToRun && !_policy.StartSuspended) _guest!.StartArrived();
        StartTime = Stopwatch.GetElapsedTime(start);
        Confirm(ReturnPathMessage.Running(StartTime), ReturnPathMessage.Shut(0));
    }

    /// <summary>Memory of a machine without vCPUs, from a real QEMU: kept as a suspended guest under a name of ours.</summary>
    void ArriveWithoutCpus()
    {
        while (!_hasArrived)
        {
            _unnamed = _policy.NameForUnnamed();
            _guest = new MemoryGuest(Guid.NewGuid(), _unnamed, _policy.HostName, _memory!, [], _timer, _counter);
            try
            {
                GuestRegistry.Arrive(_guest, Guid.Empty);
                _hasArrived = true;
            }
            catch (MigrationException e) when (e.Id == MigrationErrorId.DuplicateGuestName)
            {
                // Another one took the name just now; there are more.
            }
        }
        if (_hasReturnPath) Confirm(ReturnPathMessage.Shut(0));
    }

    // A source that is gone will ask, or has completed without our word; the guest is here either way.
    void Confirm(params ReadOnlySpan<ReturnPathMessage> messages)
    {
        try
        {
            foreach (var message in messages) message.Send(_back);
        }
        catch (Exception e) when (IsLinkGone(e))
        {
        }
    }
}
