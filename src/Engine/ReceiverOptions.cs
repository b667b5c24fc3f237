using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>What a receiver listens on and accepts.</summary>
public sealed record ReceiverOptions
{
    /// <summary>The most multifd channels of one source; QEMU's limit too, for the number of a channel is a byte.</summary>
    public const int MaxChannels = 255;

    /// <summary>How many connections that have not come to a guest there may be by default: 64 sources with 15 channels each, at one moment.</summary>
    public const int DefaultConnections = 1024;

    /// <summary>How long <see cref="Accept"/> may take by default.</summary>
    public static readonly TimeSpan DefaultAcceptTimeout = TimeSpan.FromSeconds(10);

    /// <summary>tcp: or unix:; port 0 takes a free one.</summary>
    public MigrationUri Uri { get; init; } = MigrationUri.Parse("tcp:127.0.0.1:0");

    /// <summary>The host that arriving guests live on.</summary>
    public string HostName { get; init; } = GuestRegistry.DefaultHost;

    /// <summary>The largest guest, and all guests that are on their way at one time, in bytes; 0 is the memory of this machine.</summary>
    public long MaxMemory { get; init; }

    /// <summary>Names that are accepted, with wildcards.</summary>
    public string[] AllowedName { get; init; } = ["*"];

    /// <summary>Whether to listen outside loopback without TLS.</summary>
    public bool AllowInsecure { get; init; }

    /// <summary>With whom and as whom this end speaks TLS; one that comes without is refused. Null is plain.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Whether guests stay suspended although they ran.</summary>
    public bool StartSuspended { get; init; }

    /// <summary>
    /// Whether QEMUs that send here have the capability switchover-ack on, as a QEMU at this end would have to: off, they would wait for
    /// an answer; on, a QEMU without it fails.
    /// </summary>
    public bool SwitchoverAck { get; init; }

    /// <summary>
    /// How many multifd channels a QEMU that sends here has (multifd-channels), 1 to 255, as a QEMU at this end would have to be told. 0
    /// is as many as have come by the first mark of the main stream, and 100 ms after the last of them.
    /// </summary>
    public int Channels { get; init; }

    /// <summary>
    /// Is asked about each guest that all else allows, before any of its pages comes, and before memory is reserved for it: null accepts it,
    /// a text is the reason for a refusal, which its source is told; so is the message of what it throws. It is called on the thread of the
    /// connection, several at a time, no more than <see cref="MaxMigrations"/>, and has to end by throwing OperationCanceledException when its
    /// token is cancelled: after <see cref="AcceptTimeout"/>, and when the receiver stops. Null accepts all.
    /// </summary>
    public Func<ArrivalRequest, CancellationToken, string?>? Accept { get; init; }

    /// <summary>How long <see cref="Accept"/> may take; then the guest is refused. Its source waits so long.</summary>
    public TimeSpan AcceptTimeout { get; init; } = DefaultAcceptTimeout;

    /// <summary>Called once when the receiver stops, before it waits for what is under way; what <see cref="Accept"/> needs can go then.</summary>
    public Action? Stopped { get; init; }

    /// <summary>Migrations at one time; more wait for half of <see cref="IdleTimeout"/>, first come, first served, and are then refused.</summary>
    public int MaxMigrations { get; init; } = 64;

    /// <summary>
    /// Connections at one time that have not come to a guest: with more the oldest that is at least a second old makes room, of the address
    /// that most of them come from. Those of migrations that are under way don't count.
    /// </summary>
    public int MaxConnections { get; init; } = DefaultConnections;

    /// <summary>How long a connection may take to say who comes.</summary>
    public TimeSpan FirstWordTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a source may say nothing after that.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a loaded guest waits for RUN.</summary>
    public TimeSpan RunTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How long a postcopy whose link broke keeps what has come, so that the source can recover it; 0 is not at all. What it holds is the only
    /// copy of the pages that the source has sent, and the guest is lost without them.
    /// </summary>
    public TimeSpan RecoverTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Throws UnsupportedUri, InsecureAddress, InvalidParameter.</summary>
    internal ReceiverOptions Validate()
    {
        if (Uri.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix))
            throw new MigrationException(MigrationErrorId.UnsupportedUri, MigrationSide.User, $"A receiver listens on tcp: or unix:, not on {Uri}.");
        Tls?.Validate();
        if (!Uri.IsLoopback && Tls is null && !AllowInsecure)
            throw new MigrationException(MigrationErrorId.InsecureAddress, MigrationSide.User,
                $"{Uri} can be reached from other machines, and the stream is neither encrypted nor authenticated. -Tls protects it; -AllowInsecure listens there all the same.");
        if (MaxMemory < 0) throw MigrationException.Invalid($"MaxMemory can't be negative, and is {MaxMemory}.");
        if (MaxMigrations < 1) throw MigrationException.Invalid($"MaxMigrations must be at least 1, and is {MaxMigrations}.");
        if (MaxConnections < 1) throw MigrationException.Invalid($"MaxConnections must be at least 1, and is {MaxConnections}.");
        if (Channels is < 0 or > MaxChannels) throw MigrationException.Invalid($"Channels must be 0 to {MaxChannels}, and is {Channels}.");
        MigrationParameters.CheckPositive(FirstWordTimeout, nameof(FirstWordTimeout));
        MigrationParameters.CheckPositive(IdleTimeout, nameof(IdleTimeout));
        MigrationParameters.CheckPositive(RunTimeout, nameof(RunTimeout));
        MigrationParameters.CheckPositive(AcceptTimeout, nameof(AcceptTimeout));
        if (RecoverTimeout < TimeSpan.Zero) throw MigrationException.Invalid($"RecoverTimeout can't be negative, and is {RecoverTimeout}.");
        GuestOptions.CheckName(HostName, "host");
        return this;
    }

    /// <summary>The memory of this machine where no other limit is given.</summary>
    internal long MostMemory => MaxMemory == 0 ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes : MaxMemory;

    internal IncomingPolicy ToPolicy(CancellationToken stopping = default) => new(
        HostName, new Admission(MaxMigrations, MostMemory),
        AllowedName, StartSuspended, FirstWordTimeout, IdleTimeout, RunTimeout, SwitchoverAck, Channels, RecoverTimeout)
    {
        RequiresTls = Tls is not null,
        Accept = Accept,
        AcceptTimeout = AcceptTimeout,
        Stopping = stopping,
        MaxConnections = MaxConnections,
    };
}
