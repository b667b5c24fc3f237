using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>An outgoing migration. All members may be called from any thread, while it runs and after it ended.</summary>
public sealed class Migration
{
    readonly IMigrationRun _run;
    readonly Lock _takeLock = new();
    int _taken;
    bool _finalTaken;

    Migration(int id, Guest guest, MigrationUri destination, IMigrationRun run) => (Id, Guest, Destination, _run) = (id, guest, destination, run);

    Migration(int id, Guest guest, MigrationUri destination, MigrationParameters parameters)
        : this(id, guest, destination, parameters.Retries == 0
            ? Attempt(id, guest, destination, parameters, holder: null)
            : new RetryingRun(id, guest, destination.ToString(), parameters, (holder, limited) => Attempt(id, guest, destination, limited, holder)))
    {
    }

    static IMigrationRun Attempt(int id, Guest guest, MigrationUri destination, MigrationParameters parameters, object? holder) => guest switch
    {
        MemoryGuest memory => new OutgoingMigration(id, memory, destination.ToString(), KnowingPeer(destination, parameters), Connector(destination, parameters),
            parameters.DestinationQmp is { } qmp ? QemuGuest.ConnectionTo(MigrationUri.Parse(qmp)) : null)
            {
                AwaitReady = Rehearsal.Await,
                ConnectTo = address => ConnectorForRecovery(address, parameters),
                Holder = holder,
            },
        QemuGuest driven => new DrivenMigration(id, driven, destination, parameters) { Holder = holder },
        _ => throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User, $"A guest of kind {guest.Kind} can't be migrated."),
    };

    /// <summary>
    /// Starts to migrate a guest and returns at once. Throws InvalidParameter, UnsupportedUri, DuplicateGuestName, GuestBusy,
    /// GuestInDoubt, GuestRunsElsewhere, MemoryExceeded; then nothing has changed. Everything later is in <see cref="Result"/>.
    /// </summary>
    public static Migration Start(Guest guest, MigrationUri destination, MigrationParameters parameters) =>
        Start(guest, destination, parameters, phaseEntered: null);

    internal static Migration Start(
        Guest guest, MigrationUri destination, MigrationParameters parameters, Action<MigrationPhase>? phaseEntered)
    {
        parameters.Validate();
        if (destination.Kind is (MigrationUriKind.File or MigrationUriKind.Exec) && parameters.Verify)
            throw MigrationException.Invalid($"{destination} has no way back, so nobody there can give a digest: -Verify can't be kept.");
        if (destination.Kind is (MigrationUriKind.File or MigrationUriKind.Exec) && parameters.Postcopy && guest is MemoryGuest)
            throw MigrationException.Invalid($"{destination} has no way back to ask for pages: nothing can go over to it by postcopy.");
        if (destination.Kind is (MigrationUriKind.File or MigrationUriKind.Exec) && parameters.Channels > 0 && guest is MemoryGuest)
            throw MigrationException.Invalid($"{destination} takes one stream: -Channels is for destinations that are connected to.");
        CheckTls(guest, destination, parameters);
        if (destination.Kind == MigrationUriKind.Local && parameters.KeepSource
            && string.Equals(destination.Name, guest.Host, StringComparison.OrdinalIgnoreCase))
            throw new MigrationException(MigrationErrorId.DuplicateGuestName, MigrationSide.User,
                $"-KeepSource would leave two guests {guest.Name} on host {guest.Host}: name another host, as in local:other.");
        if (guest is MemoryGuest) Rehearsal.Begin();
        try
        {
            return MigrationRegistry.Add(id =>
            {
                var migration = new Migration(id, guest, destination, parameters);
                migration._run.PhaseEntered = phaseEntered;
                migration._run.Start();
                return migration;
            });
        }
        catch (OutOfMemoryException e)
        {
            throw MigrationException.From(e, MigrationSide.Source, $"Guest {guest.Name} can't be migrated");
        }
    }

    static void CheckTls(Guest guest, MigrationUri destination, MigrationParameters parameters)
    {
        if (parameters is { Tls: null, QemuTls: null }) return;
        if (destination.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix))
            throw MigrationException.Invalid($"TLS is for what goes over a socket, and {destination} is none.");
        CheckTlsHost(destination, parameters);
        if (parameters.QemuTls is { HostName: null } && destination.Kind == MigrationUriKind.Unix)
            throw MigrationException.Invalid($"{destination} names no host, and a QEMU wants to know for which one the destination's certificate is: give -TlsHostName.");
        if (parameters.Tls is not null && guest is QemuGuest)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {guest.Name} is sent by its QEMU, which has to have the certificates itself: give -TlsCredentials with the id of its object, or -TlsDirectory.");
        if (parameters.QemuTls is not null && guest is not QemuGuest)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {guest.Name} is sent by this process, and credentials of a QEMU are of no use to it: give -TlsDirectory, or -Certificate and -TrustedCertificate.");
    }

    /// <summary>
    /// Registers the migration that a QEMU was at already when its guest was connected, or has had, and follows it; null when there is
    /// none, or it is known. Throws what QMP throws.
    /// </summary>
    public static Migration? Adopt(QemuGuest guest)
    {
        if (MigrationRegistry.All.Any(known => known.Guest == guest)) return null;
        if (DrivenMigration.FindOutgoing(guest) is not { } info) return null;
        return MigrationRegistry.Add(id =>
        {
            var run = DrivenMigration.Adopt(id, guest, info);
            run.Start();
            return new Migration(id, guest, MigrationUri.Unknown, run) { IsAdopted = true };
        });
    }

    /// <summary>Whether a QEMU was at it before this process came to look: then it goes on when this process ends.</summary>
    public bool IsAdopted { get; private init; }

    /// <summary>Its number in this process; migrations and receivers share one row of numbers.</summary>
    public int Id { get; }

    /// <summary>The guest at the source; after success its memory is gone unless it was kept.</summary>
    public Guest Guest { get; }

    /// <summary>The guest's name.</summary>
    public string Name => Guest.Name;

    /// <summary>Where it goes.</summary>
    public MigrationUri Destination { get; }

    /// <summary>The state.</summary>
    public MigrationStatus Status => _run.Status;

    /// <summary>Whether it is over.</summary>
    public bool IsEnded => Result is not null;

    /// <summary>How it ended; null while it runs.</summary>
    public MigrationResult? Result => _run.Result;

    /// <summary>The full picture, now.</summary>
    public MigrationState GetState() => _run.GetState();

    /// <summary>False once the final iteration was taken.</summary>
    public bool HasMoreIterations
    {
        get { lock (_takeLock) return !_finalTaken; }
    }

    /// <summary>The next iteration that nobody took yet, waiting at most so long for it. The last one has IsFinal.</summary>
    public bool TryTakeIteration([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MigrationIteration? iteration, TimeSpan wait)
    {
        lock (_takeLock)
        {
            iteration = null;
            if (_finalTaken || !_run.TryTakeIteration(ref _taken, out iteration, wait) || iteration is null) return false;
            _finalTaken = iteration.IsFinal;
            return true;
        }
    }

    /// <summary>Waits for the end; null waits for ever. False when the time is over.</summary>
    public bool Wait(TimeSpan? timeout = null) => _run.Wait(timeout);

    /// <summary>Cancels; with <paramref name="wait"/> the answer is what became of it.</summary>
    public CancelAnswer Cancel(bool wait = true) => _run.Cancel(wait);

    /// <summary>Switches over now, whatever the downtime. Throws InvalidState.</summary>
    public void Complete() => _run.Complete();

    /// <summary>Changes limits while it runs; null leaves one as it is. Throws InvalidParameter, InvalidState.</summary>
    public void SetLimits(MigrationLimits limits) => _run.SetLimits(limits);

    /// <summary>
    /// Whether an answer to this pass would still be in time; only with <see cref="MigrationParameters.OnIterationTimeout"/>, and not of the last one.
    /// Where it would, passes before it are not awaited any more.
    /// </summary>
    public bool AwaitsAnswer(MigrationIteration iteration) => _run.AwaitsAnswer(iteration);

    /// <summary>
    /// What is to be done after a pass: the actions of policies, within the same bounds. The sending thread does them when it looks next, within a
    /// tenth of a second. Returns at once; false when the time for an answer is over, and it counts for nothing. Throws InvalidPolicy.
    /// </summary>
    public bool Answer(MigrationIteration iteration, params IReadOnlyList<PolicyAction> actions)
    {
        if (actions.Count > MigrationPolicy.MostRules)
            throw PolicyText.Invalid("-OnIteration", $"an answer has at most {MigrationPolicy.MostRules} actions, and this one {actions.Count}.");
        foreach (var action in actions) action.Check("-OnIteration");
        return _run.Answer(iteration, [.. actions], failure: null);
    }

    /// <summary>There is no answer to a pass, and why: a warning in the trail (OnIterationFailed), and the migration goes on. Returns at once.</summary>
    public bool AnswerFailed(MigrationIteration iteration, string reason) =>
        _run.Answer(iteration, [], new MigrationException(MigrationErrorId.OnIterationFailed, MigrationSide.User, reason));

    /// <summary>Goes over to postcopy. Throws InvalidState, UnsupportedByGuest.</summary>
    public void SwitchToPostcopy() => _run.SwitchToPostcopy();

    /// <summary>Breaks the link of a postcopy on purpose. Throws InvalidState, UnsupportedByGuest.</summary>
    public void Pause() => _run.Pause();

    /// <summary>
    /// Goes on with a paused postcopy; null is the same address. Returns when pages go again. Throws InvalidUri, InvalidState,
    /// UnsupportedByGuest, and, of a guest that this process sends, why it could not: then it is paused as before, or over, with GuestLost
    /// where the receiver that had the guest is gone.
    /// </summary>
    public void Recover(MigrationUri? destination = null) => _run.Recover(destination?.ToString());

    /// <summary>
    /// Ends a postcopy that is paused and can't be recovered. What the guest did since it went over is lost; the source has it as it was
    /// when it stopped there (<see cref="MigrationErrorId.GuestLost"/>). Throws InvalidState, UnsupportedByGuest.
    /// </summary>
    public void GiveUp() => _run.GiveUp();

    /// <summary>What makes the connections: one, and one for each channel.</summary>
    static Func<CancellationToken, IConnection> Connector(MigrationUri destination, MigrationParameters parameters) => destination.Kind switch
    {
        _ when parameters.Tls is { } tls => TlsConnector(destination, new TlsCredentials(tls, isServer: false), parameters.ConnectTimeout),
        MigrationUriKind.File => _ => FileTarget.Create(destination, overwrite: true),
        MigrationUriKind.Exec => _ => CommandConnection.WriteTo(destination),
        MigrationUriKind.Local => new LocalHost(destination).Connect,
        _ => cancel => Transport.Connector.Connect(destination, parameters.ConnectTimeout, cancel),
    };

    static Func<CancellationToken, IConnection> TlsConnector(MigrationUri destination, TlsCredentials tls, TimeSpan timeout) =>
        cancel => Transport.Connector.ConnectTls(destination, tls, timeout, cancel);

    /// <summary>
    /// A path is no name that a certificate could be for: whoever has one of the authority would do as the destination. Throws InvalidParameter; else
    /// null.
    /// </summary>
    static Func<CancellationToken, IConnection>? CheckTlsHost(MigrationUri destination, MigrationParameters parameters) =>
        destination.Kind == MigrationUriKind.Unix && parameters.Tls is { HostName: null, AuthorizedSubject: ["*"] }
            ? throw MigrationException.Invalid($"{destination} names no host that the certificate of the destination has to be for: give -TlsHostName, or -AuthorizedSubject, or "
                + "-TlsHostName '*' for whatever a trusted authority has signed.")
            : null;

    /// <summary>The same, where TLS knows whom it has to meet. Throws InvalidParameter.</summary>
    internal static Func<CancellationToken, IConnection> ConnectorTo(MigrationUri destination, MigrationParameters parameters) =>
        CheckTlsHost(destination, parameters) ?? Connector(destination, parameters);

    static Func<CancellationToken, IConnection> ConnectorForRecovery(string address, MigrationParameters parameters) =>
        MigrationUri.Parse(address) is { Kind: MigrationUriKind.Tcp or MigrationUriKind.Unix or MigrationUriKind.Local } uri
            ? ConnectorTo(uri, parameters)
            : throw new MigrationException(MigrationErrorId.InvalidUri, MigrationSide.User, $"Nothing can go on at {address}: that has no way back.");

    /// <summary>What is in this process needs nobody to say what it is.</summary>
    static MigrationParameters KnowingPeer(MigrationUri destination, MigrationParameters parameters) =>
        parameters.PeerVersion is null && (destination.Kind == MigrationUriKind.Local || ReceiverRegistry.All.Any(receiver => receiver.Uri == destination))
            ? parameters with { Peer = PeerKind.PsMigrate }
            : parameters;
}
