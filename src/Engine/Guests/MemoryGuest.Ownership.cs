using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>What the destination says about a migration whose link was lost after RUN.</summary>
enum SettleOutcome
{
    /// <summary>Nobody could be asked, or nobody knows.</summary>
    Unknown,

    /// <summary>The destination runs the guest.</summary>
    RunsThere,

    /// <summary>The destination has given it up, and will not run it.</summary>
    Discarded,

    /// <summary>The destination ran the guest without all of its memory, and has stopped it for good.</summary>
    Lost,
}

/// <summary>Who may run the guest: the part that keeps it in one place.</summary>
public sealed partial class MemoryGuest
{
    // A user who asks again waits for so long.
    static readonly TimeSpan SettleOnRequest = TimeSpan.FromSeconds(10);

    Func<TimeSpan, SettleOutcome>? _settle;
    Guid _migration;
    bool _keepsSource;
    bool _isCommitted;
    bool _wasRunning;
    bool _ramOnly;
    bool _isInFile;

    /// <summary>
    /// Starts the vCPUs. A guest in doubt is first settled with its destination; a copy that was left behind by a migration
    /// runs again only with <paramref name="force"/>. The machine of a QEMU does not run here: such a copy is then suspended, and can be
    /// sent and saved again. Throws GuestBusy, GuestInDoubt, GuestRunsElsewhere, GuestLost, and UnsupportedByGuest for a machine that is
    /// suspended.
    /// </summary>
    public override void Resume(bool force = false)
    {
        if (State == GuestState.InDoubt && !force) Settle();
        lock (_lock)
        {
            switch (_state)
            {
                case GuestState.Running:
                    return;
                case GuestState.FinishMigrate or GuestState.Removed:
                    throw Busy("resumed");
                case GuestState.PostMigrate when !force && _isInFile:
                    throw new MigrationException(MigrationErrorId.GuestRunsElsewhere, MigrationSide.User,
                        $"Guest {Name} was written to {MovedTo} and may go on from there. With -Force it {ByForce}; both together would be twice.")
                    { Location = GuestLocation.File };
                case GuestState.PostMigrate when !force && !_ramOnly:
                    throw new MigrationException(MigrationErrorId.GuestRunsElsewhere, MigrationSide.User,
                        $"Guest {Name} was migrated to {MovedTo} and runs there. With -Force it {ByForce}; both together would be twice.")
                    { Location = GuestLocation.Destination };
                case GuestState.InDoubt when !force:
                    throw new MigrationException(MigrationErrorId.GuestInDoubt, MigrationSide.User,
                        $"Guest {Name} may run at {MovedTo}, which can't be asked. Look there first; with -Force it {ByForce} all the same.")
                    { Location = GuestLocation.InDoubt };
                case GuestState.Lost when !force || _missingBecause is not null:
                    throw Lost();
                case GuestState.Suspended when Machine is not null:
                    throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                        $"Guest {Name} is a machine {MachineType} of a QEMU, which can't run here. Start-VmMigration sends it to a QEMU that runs it.");
            }
            if (Machine is not null)
            {
                BeHere();
                return;
            }
            Counter.Resumes++;
            Run();
        }
    }

    string ByForce => Machine is null ? "goes on here" : "is suspended here, to be sent or saved again";

    /// <summary>
    /// Has everything ready for <see cref="StartArrived"/>, which then only wakes threads: those that were made before its vCPUs were
    /// known, one for each index, and others. Throws OutOfMemoryException.
    /// </summary>
    internal void PrepareStart(IReadOnlyList<CpuThread> threads)
    {
        lock (_lock)
            for (var i = 0; i < _cpus.Count; i++) _cpus[i].Prepare(Name, i < threads.Count ? threads[i] : null);
    }

    /// <summary>Starts a guest that arrived by migration.</summary>
    internal void StartArrived()
    {
        lock (_lock)
        {
            if (_state != GuestState.Suspended) throw Busy("started");
            Run();
        }
    }

    /// <summary>Asks the destination of a guest in doubt once more, and acts on its answer.</summary>
    internal SettleOutcome Settle()
    {
        var asked = _settle;
        var outcome = asked?.Invoke(SettleOnRequest) ?? SettleOutcome.Unknown;
        lock (_lock)
        {
            // An answer about an earlier migration says nothing about a later one.
            if (_state != GuestState.InDoubt || _settle != asked) return outcome;
            if (outcome == SettleOutcome.RunsThere) _state = GuestState.PostMigrate;
            if (outcome == SettleOutcome.Lost) (_state, _settle, _mayRunThere) = (GuestState.Lost, null, false);
            if (outcome == SettleOutcome.Discarded)
            {
                if (_wasRunning) Run();
                else (_state, _movedTo) = (GuestState.Suspended, null);
            }
            return outcome;
        }
    }

    /// <summary>Takes the guest for a migration. Throws GuestBusy, GuestInDoubt, GuestRunsElsewhere, GuestLost.</summary>
    /// <param name="owner">The migration's own object.</param>
    /// <param name="migration">The id under which it is announced.</param>
    /// <param name="keepsSource">Whether the guest stays registered here after success.</param>
    /// <param name="holder">For whom the guest is reserved, when it is.</param>
    internal void Claim(object owner, Guid migration, bool keepsSource, object? holder = null)
    {
        lock (_lock)
        {
            if (_owner is not null)
                throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User, $"Guest {Name} is being migrated or measured already.");
            CheckReserved(holder);
            if (_faults is not null) throw Incomplete("migrated, saved or measured");
            if (_state is GuestState.Lost) throw Lost();
            if (_state is GuestState.InDoubt)
                throw new MigrationException(MigrationErrorId.GuestInDoubt, MigrationSide.User,
                    $"Guest {Name} may run at {MovedTo}. Settle that with Resume-MigrationGuest first.");
            if (_state is GuestState.PostMigrate && !_ramOnly)
                throw new MigrationException(MigrationErrorId.GuestRunsElsewhere, MigrationSide.User,
                    $"Guest {Name} was migrated to {MovedTo}; what is here is a copy.");
            if (_state is GuestState.Removed || !Memory.TryAddReference()) throw Gone();
            (_owner, _migration, _keepsSource, _isCommitted) = (owner, migration, keepsSource, false);
        }
    }

    /// <summary>The destination has leave to run the guest.</summary>
    internal void Commit(object owner)
    {
        lock (_lock) _isCommitted = _owner == owner;
    }

    /// <summary>Ends a claim.</summary>
    internal void Unclaim(object owner)
    {
        lock (_lock)
        {
            if (_owner != owner) return;
            _owner = null;
            Memory.Release();
        }
    }

    /// <summary>
    /// Whether a guest that arrives with this migration is the one that leaves here, so that it may take its name: at the
    /// announcement, and once committed also its place.
    /// </summary>
    internal override bool MakesWayFor(Guid migration, bool isCommitted)
    {
        lock (_lock) return _owner is not null && _migration == migration && !_keepsSource && (_isCommitted || !isCommitted);
    }

    /// <summary>Stops it for the switch-over (QEMU's vm_stop_force_state). Returns whether it ran.</summary>
    internal bool StopForSwitchover()
    {
        lock (_lock)
        {
            _wasRunning = _state == GuestState.Running;
            if (_wasRunning) StopCpus();
            _state = GuestState.FinishMigrate;
            return _wasRunning;
        }
    }

    /// <summary>The migration failed or was cancelled: the guest goes on as it was.</summary>
    internal void ReturnToSource()
    {
        lock (_lock)
        {
            if (_state != GuestState.FinishMigrate) return;
            if (_wasRunning) Run();
            else _state = GuestState.Suspended;
        }
    }

    /// <summary>The destination has it.</summary>
    internal void HandOver(string destination, GuestLocation location)
    {
        lock (_lock)
        {
            (_state, _movedTo) = (GuestState.PostMigrate, destination);
            EndReservation();
            (_ramOnly, _isInFile) = (location == GuestLocation.RamOnly, location == GuestLocation.File);
            RestCpus();
        }
    }

    /// <summary>Nobody knows who has it; <paramref name="settle"/> asks the destination.</summary>
    internal void PutInDoubt(string destination, Func<TimeSpan, SettleOutcome>? settle)
    {
        lock (_lock)
        {
            (_state, _movedTo, _settle) = (GuestState.InDoubt, destination, settle);
            RestCpus();
        }
    }

    void BeHere() => (_state, _movedTo, _settle, _ramOnly, _isInFile) = (GuestState.Suspended, null, null, false, false);

    void Run()
    {
        BeHere();
        try
        {
            StartCpus();
        }
        catch (OutOfMemoryException)
        {
            // Some vCPUs may run; a guest that can't run whole stays suspended, and can be resumed later.
            StopCpus();
            RestCpus();
            throw;
        }
        _state = GuestState.Running;
    }
}
