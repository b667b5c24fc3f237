using System.IO.Enumeration;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>What a receiver accepts.</summary>
/// <param name="HostName">The host that arriving guests live on.</param>
/// <param name="MaxMemory">The largest guest, in bytes.</param>
/// <param name="AllowedName">Wildcards, one of which a guest's name must match.</param>
/// <param name="StartSuspended">Whether guests stay suspended although they ran.</param>
/// <param name="FirstWordTimeout">How long a connection may say nothing, until it has said who comes.</param>
/// <param name="RunTimeout">How long to wait for RUN.</param>
sealed record IncomingPolicy(
    string HostName, long MaxMemory, IReadOnlyList<string> AllowedName, bool StartSuspended, TimeSpan FirstWordTimeout, TimeSpan RunTimeout)
{
    /// <summary>Throws the reason why a guest is not welcome: InvalidGuestName, DestinationRefused, MemoryExceeded, DuplicateGuestName.</summary>
    public void Check(GuestAnnouncement guest)
    {
        try
        {
            GuestOptions.CheckName(guest.Name);
            CheckMemory(guest.MemorySize);
            if (!AllowedName.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, guest.Name)))
                throw Refused(MigrationErrorId.DestinationRefused, $"Guests named {guest.Name} are not accepted here.");
            GuestRegistry.CheckFree(HostName, guest.Name, guest.Uuid);
        }
        catch (MigrationException e) when (e.Side == MigrationSide.User)
        {
            throw Refused(e.Id, e.Message);
        }
    }

    /// <summary>Throws MemoryExceeded.</summary>
    public void CheckMemory(long size)
    {
        if (size > MaxMemory)
            throw Refused(MigrationErrorId.MemoryExceeded, $"A guest of {size} bytes is larger than the {MaxMemory} that are accepted here.");
    }

    static MigrationException Refused(MigrationErrorId id, string message) => new(id, MigrationSide.Destination, message);
}
