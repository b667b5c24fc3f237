using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>Guests that are kept for one who claims them more than once: nobody else gets them between two claims.</summary>
public abstract partial class Guest
{
    object? _reservedFor;

    /// <summary>Whether somebody has it who may claim it again.</summary>
    private protected bool IsReserved => Volatile.Read(ref _reservedFor) is not null;

    /// <summary>Keeps the guest for one holder. Throws GuestBusy when another one has it.</summary>
    internal void Reserve(object holder)
    {
        if (Interlocked.CompareExchange(ref _reservedFor, holder, null) is { } other && other != holder) throw Reserved();
    }

    /// <summary>Ends that.</summary>
    internal void Unreserve(object holder) => Interlocked.CompareExchange(ref _reservedFor, null, holder);

    /// <summary>A guest that has gone is kept for nobody.</summary>
    private protected void EndReservation() => Volatile.Write(ref _reservedFor, null);

    /// <summary>Throws GuestBusy unless it is kept for nobody, or for this one.</summary>
    private protected void CheckReserved(object? holder)
    {
        if (Volatile.Read(ref _reservedFor) is { } other && other != holder) throw Reserved();
    }

    MigrationException Reserved() => new(MigrationErrorId.GuestBusy, MigrationSide.User,
        $"Guest {Name} is being migrated already, by a migration that starts over by itself when it fails; Stop-Migration ends it.");
}
