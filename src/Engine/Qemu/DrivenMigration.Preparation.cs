using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>What comes before QEMU sends: checks, settings of both ends, the command.</summary>
sealed partial class DrivenMigration
{
    DrivenDestination? _far;
    EndPresent? _present;
    bool _isLaunched;
    bool _hasSettings;
    MigrationException? _launchFailure;
    QemuMigrationInfo? _before;

    /// <summary>What can be known without changing anything, and without the destination.</summary>
    void Check()
    {
        if (_destination.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix))
            throw new MigrationException(MigrationErrorId.UnsupportedUri, MigrationSide.User,
                $"Guest {_guest.Name} is a QEMU's, which can't send to {_destination}: it needs tcp: or unix:.");
        if (_destination is { Kind: MigrationUriKind.Tcp, Port: 0 } && _parameters.DestinationQmp is null)
            throw new MigrationException(MigrationErrorId.InvalidUri, MigrationSide.User,
                $"Can't migrate to {_destination}: the port that the destination chose is known only with -DestinationQmp.");
        if (_parameters.Verify)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} is a QEMU's, which gives no digest of its memory: -Verify can't be kept.");
        if (_parameters.KeepSource)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} is a QEMU's: what stays there afterwards is QEMU's affair, and -KeepSource can't be kept.");
        DrivenPolicy.Check(_parameters, _guest.Name);
        if (_parameters.Peer != PeerKind.Unknown || _parameters.PeerVersion is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} is a QEMU's, which sends it in its own way, whatever is at the destination: -PeerVersion can't be kept.");
        if (_parameters.DestinationQmp is { } address)
        {
            var uri = MigrationUri.Parse(address);
            if (uri == _guest.Uri) throw MigrationException.Invalid($"{uri} is the QMP of the source; -DestinationQmp is that of the destination.");
            _far = new DrivenDestination(uri, _parameters);
        }
        _present = EndPresent.Query(_qmp);
        if (_present.Identity.RunState == QemuRunState.InMigrate)
            throw DrivenErrors.State($"Guest {_guest.Name} waits for a migration to come in; it can't go away before.");
        var info = _before = QemuMigrationInfo.Query(_qmp);
        // Our settings would change it, long before QEMU refuses another one.
        if (info.Status is { } status && status != MigrationStatus.None && !MigrationTransitions.IsEnded(status))
            throw new MigrationException(MigrationErrorId.GuestBusy, MigrationSide.User,
                $"Guest {_guest.Name} is being migrated by somebody else: its QEMU is '{info.StatusText}'. "
                + "Connect-MigrationGuest anew follows that.");
        if (info.BlockedReasons is { Length: > 0 } reasons) throw DrivenErrors.Blocked(_guest.Name, reasons);
        CapabilityPlan.ForSource(_parameters, _present);
        _sourceTls = EndTls.Plan(_parameters.QemuTls, _qmp, MigrationSide.Source);
    }

    /// <summary>The destination first: as long as it can refuse, the source is as it was.</summary>
    void Prepare()
    {
        _phases.MoveTo(MigrationPhase.Connect);
        _runsAtSource = _present!.Identity.IsRunning;
        _address = _destination;
        if (_far is not null) PrepareDestination(_far);
        lock (_settingsLock)
        {
            Apply(_qmp, CapabilityPlan.ForSource(ToBeginWith(), _present), MigrationSide.Source);
            ApplyTls(_sourceTls, _qmp, MigrationSide.Source);
            _hasSettings = true;
            if (_completeRequested) Set(Unlimited());
        }
    }

    void PrepareDestination(DrivenDestination far)
    {
        var client = far.Connect(_stop.Token);
        _peer = PeerKind.Qemu;
        var present = EndPresent.Query(client);
        if (present.Identity.RunState != QemuRunState.InMigrate)
            throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination,
                $"The QEMU at {client.Uri} does not wait for a migration: it is '{present.Identity.RunState}'. Start it with -incoming defer.");
        var arriving = QemuMigrationInfo.Query(client);
        if (arriving.Status is not (null or MigrationStatus.None or MigrationStatus.Setup))
            throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination,
                $"The QEMU at {client.Uri} has had its incoming migration, which is '{arriving.StatusText}'; it takes one. Start it anew.");
        EndsAgreement.Check(_present!.Identity, present.Identity, _parameters);
        var settings = CapabilityPlan.ForDestination(_parameters, present);
        _destinationTls = EndTls.Plan(_parameters.QemuTls, client, MigrationSide.Destination);
        ThrowIfStopped();
        Apply(client, settings, MigrationSide.Destination);
        ApplyTls(_destinationTls, client, MigrationSide.Destination);
        far.Hold();
        Decide("Handover", "the destination starts the guest by itself", "held until the source has given it up",
            "-DestinationQmp: the guest is started there by cont, after the source's migration has completed.");
        _address = far.Listen(_destination, out var hasBegun);
        if (hasBegun)
            Decide("Destination", "migrate-incoming", "left out", "The destination listened already; settings that it needs before that may come too late.");
    }

    void Apply(QmpClient client, EndSettings settings, MigrationSide side)
    {
        settings.Apply(client, _parameters, side);
        foreach (var change in settings.Unasked)
            Decide($"{change.Name} at the {(side == MigrationSide.Source ? "source" : "destination")}", change.From, change.To, change.Reason);
    }

    /// <summary>migrate returns when QEMU has begun to connect.</summary>
    void Launch()
    {
        ThrowIfStopped();
        _events = _qmp.Subscribe(Take, _ => _wake.Set());
        _phases.MoveTo(MigrationPhase.Setup);
        try
        {
            _qmp.Execute("migrate", new JsonObject { ["uri"] = _address.ToString() }, AnswerTimeout);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            throw error.Message.Contains("block", StringComparison.OrdinalIgnoreCase) ? DrivenErrors.Blocked(_guest.Name, [error.Message])
                : new MigrationException(MigrationErrorId.QemuRefused, MigrationSide.Source, error.Message, error);
        }
        catch (MigrationException error)
        {
            // Whether QEMU has begun is not known, so that it is asked; it answers in order.
            _launchFailure = error;
        }
        _isLaunched = true;
    }

    void ThrowIfStopped()
    {
        lock (_lock)
        {
            if (_error is not null) throw _error;
            if (_isCancelRequested) throw new OperationCanceledException();
        }
    }

    /// <summary>
    /// Goes on with a postcopy that was paused. With the QMP of the destination both ends are told (migrate-recover, migrate resume); without
    /// it the destination has to listen already.
    /// </summary>
    public void Recover(string? destination)
    {
        if (Status != MigrationStatus.PostcopyPaused) throw DrivenErrors.State($"Only a migration that is PostcopyPaused can go on, and this one is {Status}.");
        var address = destination is null ? _destination : MigrationUri.Parse(destination);
        if (address.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix))
            throw new MigrationException(MigrationErrorId.InvalidUri, MigrationSide.User, "Give -Destination: where the destination listens to go on.");
        if (_far is not null) address = _far.Recover(address);
        _qmp.Execute("migrate", new JsonObject { ["uri"] = address.ToString(), ["resume"] = true }, AnswerTimeout);
        lock (_lock) (_status, _recoveries) = (MigrationStatus.PostcopyRecoverSetup, _recoveries + 1);
        _isPausedOnPurpose = false;
        Decide("Recovery", MigrationStatus.PostcopyPaused.ToString(), address.ToString(), "The ends are connected anew.");
        _wake.Set();
    }
}
