using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>Postcopy: whether the guest may go over before its memory, when it does, and the switch itself (postcopy_start of QEMU).</summary>
sealed partial class OutgoingMigration
{
    // The pings of QEMU: before the package, in it, and right before its RUN. The last one's answer says that the package is loaded.
    const uint SwitchPing = 2;
    const uint PackagePing = 3;
    const uint LoadedPing = 0x42;

    // The downtime is known no better than to this.
    static readonly TimeSpan RequestWait = TimeSpan.FromMilliseconds(1);

    volatile bool _isAdvised;
    volatile bool _isAdviceDecided;
    volatile bool _isPostcopyRequested;
    // From the package on: requests for pages are listened to.
    volatile bool _isPostcopy;
    MigrationException? _letRunError;

    public void SwitchToPostcopy()
    {
        lock (_lock)
        {
            if (_status is not (MigrationStatus.Setup or MigrationStatus.Active) || _error is not null)
                throw InvalidState($"A migration that is {(_error is null ? _status : MigrationStatus.Failing)} can't go over to postcopy.");
            if (_parameters.Verify) throw InvalidState("The migration was started with -Verify, which needs a guest that stands until both ends were compared: it can't go over to postcopy.");
            if (!_isAdvised && !_parameters.Postcopy) throw NotAdvised();
            _isPostcopyRequested = true;
        }
    }

    // The caller holds the lock.
    MigrationException NotAdvised() => this switch
    {
        { _isAdviceDecided: false } => InvalidState("The migration has only begun; whether its destination can be gone over to is not known yet."),
        { _oneWay: not null } => Unsupported($"{_destination} has no way back to ask for pages: nothing can go over to it by postcopy."),
        { HandsOverByRun: true } => Unsupported("The receiver is of an older release, without postcopy."),
        _ => InvalidState("The migration was started without -Postcopy, so that the QEMU at the destination is not ready for it."),
    };

    static MigrationException Unsupported(string message) => new(MigrationErrorId.UnsupportedByPeer, MigrationSide.Destination, message);

    static MigrationException InvalidState(string message) => new(MigrationErrorId.InvalidState, MigrationSide.User, message);

    /// <summary>Phase 2: a receiver of ours can always be gone over to; a QEMU is told only when that was asked for. Throws UnsupportedByPeer.</summary>
    /// <param name="extension">The version of the extension that both ends speak; 0 with a QEMU.</param>
    void DecideAdvice(uint extension)
    {
        _isAdvised = HandsOverByRun ? extension >= Handshake.PostcopyVersion : _oneWay is null && _parameters.Postcopy;
        _isAdviceDecided = true;
        if (_parameters.Postcopy && !_isAdvised)
            lock (_lock) throw NotAdvised();
    }

    /// <summary>Phase 3: <c>u64 page sizes of all blocks, u64 size of a target page</c>.</summary>
    void Advise()
    {
        if (!_isAdvised) return;
        Span<byte> payload = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(payload, GuestMemory.PageSize);
        BinaryPrimitives.WriteUInt64BigEndian(payload[8..], GuestMemory.PageSize);
        CommandRecord.Write(_writer!, CommandType.PostcopyAdvise, payload);
    }

    /// <summary>Phase 5.1: why the guest is to go over before its memory; null when it is not.</summary>
    string? PostcopyReason => _parameters.Mode switch
    {
        _ when _isPostcopyRequested => "Switch-Migration was called.",
        MigrationMode.Postcopy => "-Mode Postcopy.",
        MigrationMode.Hybrid when _pass > _parameters.PostcopyAfter => $"-Mode Hybrid, and {(_pass == 2 ? "1 pass has" : $"{_pass - 1} passes have")} ended.",
        _ => null,
    };

    /// <summary>5.3: the guest stops, what is missing is told, the devices go as one package, and the guest goes over.</summary>
    void GoOver(string reason)
    {
        _journal.Decide(new MigrationDecision(_phases.Elapsed, "Mode", "precopy", "postcopy", $"{reason} {LossWarning}") { IsWarning = !IsRamOnly });
        PrepareToGoOver();
        StopGuest();
        _phases.Run(MigrationPhase.CompletePrecopy, this, static self => self.CompleteForPostcopy());
        _waitsForDestination = true;
        if (HandsOverByRun) HandOverToOurs();
        else HandOverToQemuInPostcopy();
        lock (_lock) MoveTo(MigrationStatus.PostcopyActive);
    }

    string LossWarning => IsRamOnly
        ? "The QEMU has no processors to run it with, so that the guest here stays the whole one until all of it is there."
        : "From here on either end has a part of the guest that the other does not have: when the receiver is lost, so is what the guest does from now on; when this process is lost, so is the guest.";

    /// <summary>Whether the other end holds memory and can't run it: a guest of ours at a QEMU.</summary>
    bool IsRamOnly => _own is not null && _peer == PeerKind.Qemu;

    /// <summary>All that need not be done while the guest stands; last, that the destination loads what is in the link's buffers.</summary>
    void PrepareToGoOver()
    {
        AwaitReady?.Invoke();
        ConnectLatePreempt();
        if (_holdsDestination) _monitor!.Hold();
        // A QEMU also has to say that it has taken ADVISE: one that is not set for it ends, and must not be taken for one that has the guest.
        if (!HandsOverByRun || _writer!.Position - _caughtUpAt > SmallBacklog) AwaitLoaded();
    }

    void CompleteForPostcopy()
    {
        _phases.Run(MigrationPhase.SyncCpus, this, static self => self._machine.TakeCpus());
        _phases.Run(MigrationPhase.CompleteRam, this, static self => self.DiscardRam());
        _downtime.End(DowntimePart.FinalRam);
        _phases.Run(MigrationPhase.SaveDevices, this, static self => self.SendPackage());
        _downtime.End(DowntimePart.State);
    }

    void DiscardRam()
    {
        if (_channels is not null)
        {
            _ram.Section.WriteBare(_writer!, RecordType.SectionPart);
            _ram.LeaveOutlets(_writer!);
            WriteRamFooter();
        }
        _ram.BeginPostcopy(_writer!);
    }

    /// <summary>
    /// The package is read whole before any of it is used. A QEMU has the guest when it has the last byte of it, one that is held when it
    /// is told to go on, and a receiver of ours with RUN.
    /// </summary>
    void SendPackage()
    {
        if (_own is not null) _own.IsToRun = _guestRan;
        var package = BuildPackage();
        _leftOut.AddRange(_machine.LeftOut);
        if (IsRamOnly) _leftOut.Add("READY and RUN");
        var writer = _writer!;
        CommandRecord.WritePing(writer, SwitchPing);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, package.Length);
        CommandRecord.Write(writer, CommandType.Packaged, length);
        writer.Flush();
        _isPostcopy = true;
        if (!HandsOverByRun && !_holdsDestination) CommitToPostcopy();
        SendPackage(writer, package);
    }

    void SendPackage(WireWriter writer, ReadOnlySpan<byte> package)
    {
        try
        {
            writer.Bytes(package);
            writer.Flush();
        }
        catch (MigrationException) when (_isCommitted && _connection!.BytesSent < writer.Position)
        {
            // What the system did not take has not arrived, and a package that is not whole is not used.
            TakeBack();
            throw;
        }
#pragma warning disable CA1031 // Whatever it is, the guest may be there: the link is made anew.
        catch (Exception e) when (_isCommitted)
#pragma warning restore CA1031
        {
            _lostLink = MigrationException.From(e, MigrationSide.Source, "The package could not be sent");
        }
    }

    byte[] BuildPackage()
    {
        using var bytes = new MemoryStream();
        var writer = new WireWriter(PipeWriter.Create(bytes, new StreamPipeWriterOptions(leaveOpen: true)));
        CommandRecord.Write(writer, CommandType.PostcopyListen);
        _machine.WriteSections(writer);
        if (!HandsOverByRun)
        {
            CommandRecord.WritePing(writer, PackagePing);
            CommandRecord.WritePing(writer, LoadedPing);
            CommandRecord.Write(writer, CommandType.PostcopyRun);
        }
        writer.Flush();
        return bytes.ToArray();
    }

    void CommitToPostcopy()
    {
        lock (_lock)
        {
            Commit();
            MoveTo(MigrationStatus.PostcopyDevice);
        }
    }

    /// <summary>
    /// A QEMU tells with a pong that the package is loaded, and runs the guest right after it; that is where the downtime ends, as far as
    /// can be known here. One that says before it that it has failed never ran the guest. One that is held runs it when it is told to.
    /// </summary>
    void HandOverToQemuInPostcopy()
    {
        try
        {
            if (_lostLink is null) AwaitLoadedThere();
        }
#pragma warning disable CA1031 // As above.
        catch (Exception e)
#pragma warning restore CA1031
        {
            // In this order: what it said before it gave up has come by then, and one that has loaded the package runs the guest.
            if (_returnPath!.HasGivenUp && !HasPong(LoadedPing)) TakeBack();
            if (_location == GuestLocation.Source) throw;
            _lostLink = MigrationException.From(e, MigrationSide.Source, "The engine failed");
        }
        _downtime.End(DowntimePart.Handover);
        if (_lostLink is not null) return;
        if (_holdsDestination) CommitToPostcopy();
        lock (_lock) _location = IsRamOnly ? GuestLocation.RamOnly : GuestLocation.Destination;
        if (_holdsDestination) LetRunInPostcopy();
    }

    /// <summary>
    /// The devices of a QEMU look into the guest's memory while they are loaded: what they ask for goes to them, or they would never be.
    /// </summary>
    void AwaitLoadedThere()
    {
        var since = Stopwatch.GetTimestamp();
        while (!HasPong(LoadedPing))
        {
            _returnPath!.ThrowIfEnded();
            if (Since(since) > Parameters.AnswerTimeout)
                throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                    $"The destination did not load the package within {Parameters.AnswerTimeout.TotalSeconds:0.#} s.");
            if (!_ram.Requests.Wait(RequestWait)) continue;
            EndPrecopyPass();
            SendPages(0);
        }
    }

    bool HasPong(uint ping)
    {
        while (_returnPath!.TryTake(ReturnPathType.Pong) is { } pong)
            if (pong.Value == ping) return true;
        return false;
    }

    /// <summary>A guest that can't be started there still gets its memory; the error is told at the end.</summary>
    void LetRunInPostcopy()
    {
        try
        {
            LetRun();
        }
        catch (MigrationException e)
        {
            _letRunError = e;
            Decide("Destination", "held", "could not be started", e.Message);
        }
    }

    /// <summary>The pong of this ping; those of others may come before it.</summary>
    void AwaitPong(uint ping)
    {
        while (WaitFor(ReturnPathType.Pong).Value != ping)
        {
        }
    }
}
