using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>Who may run the guest: the part that keeps it in one place.</summary>
public sealed partial class QemuGuest
{
    // A user who asks again waits for so long.
    static readonly TimeSpan SettleOnRequest = TimeSpan.FromSeconds(10);

    object? _owner;
    GuestLocation _location = GuestLocation.Source;
    string? _movedTo;
    Func<TimeSpan, SettleOutcome>? _settle;

    // QEMU calls it postmigrate, and the destination is known not to have it.
    bool _isKept;

    /// <summary>Where it went, or may have gone, by a migration of ours; null while it is here.</summary>
    public override string? MovedTo
    {
        get { lock (_gate) return _movedTo; }
    }

    /// <inheritdoc/>
    public override bool IsBusy
    {
        get { lock (_gate) return _owner is not null || IsReserved; }
    }

    /// <summary>
    /// Stops the vCPUs (stop). Throws GuestBusy while a migration switches over and for what QEMU does not run, and what QMP throws.
    /// </summary>
    public override void Suspend()
    {
        var runState = CurrentRunState();
        switch (StateOf(runState))
        {
            case GuestState.Suspended:
                return;
            case GuestState.Running or GuestState.InMigrate:
                Qmp.Execute("stop");
                return;
            default:
                throw Busy("suspended", runState);
        }
    }

    /// <summary>
    /// Starts the vCPUs (cont). QEMU would also start what was migrated away; here that needs <paramref name="force"/>. Of a QEMU that
    /// waits for a migration it says that the guest shall run once it has arrived. Throws GuestBusy, GuestInDoubt, GuestRunsElsewhere,
    /// UnsupportedByGuest for one that sleeps (ACPI S3), QemuRefused for one that is to be reset, and what QMP throws.
    /// </summary>
    public override void Resume(bool force = false)
    {
        var runState = CurrentRunState();
        if (StateOf(runState) == GuestState.InDoubt && !force) Settle();
        switch (StateOf(runState))
        {
            case GuestState.Running:
                return;
            case GuestState.FinishMigrate:
                throw Busy("resumed", runState);
            case GuestState.PostMigrate when !force && !IsHere:
                throw RunsElsewhere("With -Force it would run twice.");
            case GuestState.Lost when !force:
                throw GoneAndLost("With -Force QEMU is asked to run it as it was when it stopped here, which it refuses while its migration waits.");
            case GuestState.InDoubt when !force:
                throw InDoubt("Look there first; -Force runs it here all the same.");
        }
        if (runState == QemuRunState.Sleeping)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {Name} sleeps (ACPI S3): a device or QEMU's system_wakeup wakes it up, and not cont.");
        Qmp.Execute("cont");
        MoveTo(GuestLocation.Source, null);
    }

    /// <summary>Takes the guest for a migration. Throws GuestBusy, GuestInDoubt, GuestRunsElsewhere, and what QMP throws.</summary>
    internal void Claim(object owner, object? holder = null)
    {
        var state = StateOf(CurrentRunState());
        lock (_gate)
        {
            if (_owner is not null)
                throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User, $"Guest {Name} is being migrated already.");
            CheckReserved(holder);
            if (state == GuestState.InDoubt) throw InDoubt("Settle that with Resume-MigrationGuest first.");
            if (state == GuestState.Lost) throw GoneAndLost("What is here is as it was before.");
            if (state == GuestState.PostMigrate && !IsHere) throw RunsElsewhere("What is here is a copy.");
            _owner = owner;
        }
    }

    /// <summary>Ends a claim.</summary>
    internal void Unclaim(object owner)
    {
        lock (_gate)
        {
            if (_owner == owner) _owner = null;
        }
    }

    /// <summary>The destination has it.</summary>
    internal void HandOver(string destination, bool ramOnly) => MoveTo(ramOnly ? GuestLocation.RamOnly : GuestLocation.Destination, destination);

    /// <summary>It had gone there by postcopy, and nobody has all of it any more.</summary>
    internal void Lose(string destination) => MoveTo(GuestLocation.Lost, destination);

    /// <summary>The destination does not have it, whatever QEMU calls it.</summary>
    internal void Keep() => MoveTo(GuestLocation.Source, null, isKept: true);

    /// <summary>Nobody knows who has it; <paramref name="settle"/> asks the destination.</summary>
    internal void PutInDoubt(string destination, Func<TimeSpan, SettleOutcome>? settle) => MoveTo(GuestLocation.InDoubt, destination, settle);

    /// <summary>Asks the destination of a guest in doubt once more, and acts on its answer.</summary>
    internal SettleOutcome Settle()
    {
        Func<TimeSpan, SettleOutcome>? asked;
        lock (_gate) asked = _settle;
        var outcome = asked?.Invoke(SettleOnRequest) ?? SettleOutcome.Unknown;
        lock (_gate)
        {
            // An answer about an earlier migration says nothing about a later one.
            if (_location != GuestLocation.InDoubt || _settle != asked) return outcome;
            if (outcome == SettleOutcome.RunsThere) MoveTo(GuestLocation.Destination, _movedTo);
            if (outcome == SettleOutcome.Discarded) Keep();
            return outcome;
        }
    }

    /// <summary>
    /// Whether this takes the place of a guest whose connection was lost. If it is the same, what is known of it goes on to be known; a
    /// QEMU that has just been started never migrated anything.
    /// </summary>
    bool TakesOver(Guest before)
    {
        if (before is not QemuGuest { IsConnected: false } lost) return false;
        if (lost.Uuid != Uuid || _runState is QemuRunState.Prelaunch or QemuRunState.InMigrate) return true;
        lock (lost._gate) (_location, _movedTo, _settle, _isKept) = (lost._location, lost._movedTo, lost._settle, lost._isKept);
        return true;
    }

    /// <summary>For what may follow from it: waits longer than one who looks on, and throws what QMP throws.</summary>
    string CurrentRunState()
    {
        var runState = AskRunState(QmpClient.DefaultTimeout);
        lock (_gate)
        {
            if (runState is not null) Learn(runState);
            return _runState;
        }
    }

    bool IsHere => _isKept || _location == GuestLocation.RamOnly;

    void MoveTo(GuestLocation location, string? destination, Func<TimeSpan, SettleOutcome>? settle = null, bool isKept = false)
    {
        lock (_gate)
        {
            // An answer that is under way is about what was before.
            _changes++;
            (_location, _movedTo, _settle, _isKept) = (location, destination, settle, isKept);
        }
    }

    // The caller holds the lock.
    void Learn(string runState)
    {
        _runState = runState;
        // Somebody else may have started it.
        if (runState == QemuRunState.Running && _owner is null)
            (_location, _movedTo, _settle, _isKept) = (GuestLocation.Source, null, null, false);
    }

    GuestState StateOf(string runState)
    {
        var state = QemuRunState.ToGuestState(runState);
        lock (_gate)
        {
            return (state, _location) switch
            {
                (GuestState.Suspended or GuestState.PostMigrate, GuestLocation.InDoubt) => GuestState.InDoubt,
                (GuestState.Suspended, GuestLocation.Destination) => GuestState.PostMigrate,
                (GuestState.Suspended or GuestState.PostMigrate or GuestState.FinishMigrate, GuestLocation.Lost) => GuestState.Lost,
                _ => state,
            };
        }
    }

    MigrationException Busy(string verb, string runState) => new(MigrationErrorId.GuestBusy, MigrationSide.User,
        $"Guest {Name} can't be {verb}: it is {StateOf(runState)} ('{runState}' in QEMU's words){(IsBusy ? " and being migrated" : "")}.");

    MigrationException RunsElsewhere(string advice) => new(MigrationErrorId.GuestRunsElsewhere, MigrationSide.User,
        $"Guest {Name} was migrated {(MovedTo is { } there ? $"to {there} and runs there" : "away and may run elsewhere")}. {advice}")
    { Location = GuestLocation.Destination };

    MigrationException GoneAndLost(string advice) => new(MigrationErrorId.GuestLost, MigrationSide.User,
        $"Guest {Name} had gone over to {MovedTo} by postcopy, and nobody has all of it any more. {advice}")
    { Location = GuestLocation.Lost };

    MigrationException InDoubt(string advice) => new(MigrationErrorId.GuestInDoubt, MigrationSide.User,
        $"Guest {Name} may run at {MovedTo}, which can't be asked. {advice}")
    { Location = GuestLocation.InDoubt };
}
