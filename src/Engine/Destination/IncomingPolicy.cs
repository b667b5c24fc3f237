using System.IO.Enumeration;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>What a receiver accepts.</summary>
/// <param name="HostName">The host that arriving guests live on.</param>
/// <param name="Room">How many migrations and how much memory at one time.</param>
/// <param name="AllowedName">Wildcards, one of which a guest's name must match.</param>
/// <param name="StartSuspended">Whether guests stay suspended although they ran.</param>
/// <param name="FirstWordTimeout">How long a connection may take to say who comes.</param>
/// <param name="IdleTimeout">How long a source may say nothing after that, and how long to wait for a place.</param>
/// <param name="RunTimeout">How long to wait for RUN.</param>
/// <param name="SwitchoverAck">Whether sources have the capability switchover-ack.</param>
/// <param name="RecoverTimeout">How long a postcopy whose link broke is kept for a recovery.</param>
/// <param name="Channels">How many multifd channels a source has; 0 for as many as come.</param>
/// <param name="Name">The name that the guest gets here; null the one that it has, or a free one.</param>
sealed record IncomingPolicy(
    string HostName, Admission Room, IReadOnlyList<string> AllowedName, bool StartSuspended, TimeSpan FirstWordTimeout,
    TimeSpan IdleTimeout, TimeSpan RunTimeout, bool SwitchoverAck = false, int Channels = 0,
    TimeSpan RecoverTimeout = default, string? Name = null)
{
    /// <summary>What a guest is called whose stream has no name, if that is free; null counts on from incoming-1.</summary>
    public string? Unnamed { get; init; }

    /// <summary>Whether its sources have proved who they are, by TLS.</summary>
    public bool RequiresTls { get; init; }

    /// <summary>How many connections that have not come to a guest there may be.</summary>
    public int MaxConnections { get; init; } = ReceiverOptions.DefaultConnections;

    /// <summary>Registers a guest that has arrived with a migration; throws DuplicateGuestName.</summary>
    public Action<Guest, Guid> Arrive { get; init; } = GuestRegistry.Arrive;

    /// <summary>Is asked about each guest that everything else allows: null accepts it, a text is why not. Null accepts all.</summary>
    public Func<ArrivalRequest, CancellationToken, string?>? Accept { get; init; }

    /// <summary>How long that may take.</summary>
    public TimeSpan AcceptTimeout { get; init; } = ReceiverOptions.DefaultAcceptTimeout;

    /// <summary>How much time probes get.</summary>
    public ProbeBudget Probes { get; init; } = ProbeBudget.OfProcess;

    /// <summary>The receiver is being stopped.</summary>
    public CancellationToken Stopping { get; init; }

    /// <summary>Asks whether a guest may come. Throws DestinationRefused; an answer that fails is a refusal.</summary>
    public void Ask(ArrivalRequest guest)
    {
        string? reason;
        using var time = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        time.CancelAfter(AcceptTimeout);
        try
        {
            reason = Accept?.Invoke(guest, time.Token);
        }
        catch (OperationCanceledException) when (time.IsCancellationRequested)
        {
            reason = Stopping.IsCancellationRequested ? "The receiver is being stopped." : $"Whether it may come was not decided within {AcceptTimeout.TotalSeconds:0.###} s.";
        }
#pragma warning disable CA1031 // Whatever keeps it from an answer, the guest was not accepted.
        catch (Exception e)
#pragma warning restore CA1031
        {
            reason = e.Message;
        }
        if (reason is not null) throw Refused(MigrationErrorId.DestinationRefused, OneLine(reason) is { Length: > 0 } why ? why : "It is not accepted here.");
    }

    /// <summary>Messages of PowerShell have several lines, and of control characters nothing is left at the source.</summary>
    static string OneLine(string text) => string.Join(' ', text.Split(['\r', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>Throws the reason why a guest is not welcome: InvalidGuestName, DestinationRefused, DuplicateGuestName.</summary>
    public void Check(GuestAnnouncement guest)
    {
        try
        {
            var name = Name ?? guest.Name;
            GuestOptions.CheckName(name);
            CheckAllowed(name);
            GuestRegistry.CheckFree(HostName, name, guest.MigrationUuid);
        }
        catch (MigrationException e) when (e.Side == MigrationSide.User)
        {
            throw Refused(e.Id, e.Message);
        }
    }

    /// <summary>A free name for memory whose source gives none. Throws DestinationRefused when such names are not allowed.</summary>
    public string NameForUnnamed()
    {
        if (Name is not null)
        {
            GuestRegistry.CheckFree(HostName, Name);
            return Name;
        }
        for (var number = 1; ; number++)
        {
            var name = Unnamed is null || number > 1 ? $"{Unnamed ?? "incoming"}-{number}" : Unnamed;
            if (GuestRegistry.Find(HostName, name) is not null) continue;
            CheckAllowed(name);
            return name;
        }
    }

    void CheckAllowed(string name)
    {
        if (!AllowedName.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name)))
            throw Refused(MigrationErrorId.DestinationRefused, $"Guests named {name} are not accepted here.");
    }

    static MigrationException Refused(MigrationErrorId id, string message) => new(id, MigrationSide.Destination, message);
}
