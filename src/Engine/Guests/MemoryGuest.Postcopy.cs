using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A guest that runs before all of its memory is there (postcopy): its vCPUs wait for the pages that they need. Whatever reads all of its
/// memory has to wait until that is whole.
/// </summary>
public sealed partial class MemoryGuest
{
    PageFaults? _faults;
    string? _missingBecause;
    bool _mayRunThere;

    /// <inheritdoc/>
    public override bool MayRunElsewhere
    {
        get
        {
            lock (_lock) return _state == GuestState.Lost ? _mayRunThere : _state is GuestState.InDoubt or GuestState.PostMigrate && !_ramOnly;
        }
    }

    /// <summary>
    /// From here on its vCPUs look for each page before they touch it. Before its first start. Throws GuestBusy when it runs already.
    /// </summary>
    internal void BeginPostcopy(PageFaults faults)
    {
        lock (_lock)
        {
            if (_state != GuestState.Suspended) throw Busy("loaded in postcopy");
            faults.Runners = _cpus.Count(cpu => cpu.Program.Workload != GuestWorkload.Idle);
            SetFaults(faults);
        }
    }

    /// <summary>All of its pages are there: it is a guest like any other.</summary>
    internal void EndPostcopy()
    {
        lock (_lock) SetFaults(null);
    }

    /// <summary>
    /// Pages will never come: its vCPUs stop, for good. What still brings pages of it has to hold a reference to its memory, since it may
    /// be removed from here on. Nothing happens to a guest that has all of its pages. Any thread.
    /// </summary>
    /// <param name="why">A sentence, for whoever wants it to run.</param>
    internal void Lose(string why)
    {
        lock (_lock)
        {
            if (_faults is null || _state == GuestState.Removed) return;
            if (_state == GuestState.Running) StopCpus();
            RestCpus();
            SetFaults(null);
            (_state, _missingBecause) = (GuestState.Lost, why);
        }
    }

    /// <summary>
    /// It was handed over in postcopy, and the other end is gone with what the guest did there. What is here is the guest when it stopped here.
    /// </summary>
    /// <param name="destination">Where it went.</param>
    /// <param name="mayRunThere">Whether nobody there has said that it does not run any more.</param>
    internal void LoseAtDestination(string destination, bool mayRunThere)
    {
        lock (_lock)
        {
            if (_state == GuestState.Removed) return;
            (_state, _movedTo, _settle, _mayRunThere) = (GuestState.Lost, destination, null, mayRunThere);
            RestCpus();
        }
    }

    void SetFaults(PageFaults? faults)
    {
        _faults = faults;
        foreach (var cpu in _cpus) cpu.Faults = faults;
    }

    /// <summary>Throws GuestBusy while pages are missing, and GuestLost when they will never come.</summary>
    void CheckWhole(string verb)
    {
        if (_faults is not null) throw Incomplete(verb);
        if (_missingBecause is not null) throw Lost();
    }

    MigrationException Incomplete(string verb) => new(MigrationErrorId.GuestBusy, MigrationSide.User,
        $"Guest {Name} can't be {verb}: it is in postcopy, and pages of its memory are still at its source.");

    MigrationException Lost() => new(MigrationErrorId.GuestLost, MigrationSide.User, (_missingBecause, _mayRunThere) switch
    {
        ({ } why, _) => $"Guest {Name} is lost: pages of its memory never came. {why} It can't go on here; Remove-MigrationGuest gives its memory back.",
        (_, true) => $"Guest {Name} is lost to this end, and may still run at {MovedTo}: end it there first (Stop-MigrationReceiver -Force). "
            + $"With -Force it {ByForce} as it was when it stopped here; both together would be twice.",
        _ => $"Guest {Name} is lost: it ran at {MovedTo} without all of its memory, and what it did there is gone. With -Force it {ByForce} as it was when it stopped here.",
    })
    { Location = GuestLocation.Lost };
}
