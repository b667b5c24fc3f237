using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>Forecasts of migrations that have not begun. Nothing is sent, and no guest is changed.</summary>
public static class MigrationForecasts
{
    /// <summary>Whether enough is known of the link: <paramref name="bandwidth"/>, an earlier migration to there, or a limit.</summary>
    public static bool IsLinkKnown(MigrationUri destination, MigrationParameters parameters, double? bandwidth = null) =>
        LinkMemory.Find(destination, parameters, bandwidth, probed: null) is not null;

    /// <summary>
    /// What the link to a PsMigrate receiver carries, bytes/s, by bytes that mean nothing, about so long; connects and sends. A QEMU that waits for a
    /// migration ends because of it: only for what the user has named. Throws UnsupportedUri for what is no tcp: or unix:, NoReceiver, ProbeRefused,
    /// PeerSilent, ConnectionRefused and its kin, CertificateRejected and its kin, OperationCanceledException.
    /// </summary>
    /// <param name="receiver">Where it listens.</param>
    /// <param name="duration">How long to send.</param>
    /// <param name="tls">With whom and as whom this end speaks TLS, as in a migration; null is plain.</param>
    /// <param name="cancel">Gives up.</param>
    public static double ProbeBandwidth(MigrationUri receiver, TimeSpan duration, TlsOptions? tls = null, CancellationToken cancel = default)
    {
        if (receiver.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix))
            throw new MigrationException(MigrationErrorId.UnsupportedUri, MigrationSide.User, $"A receiver at tcp: or unix: can be probed, and {receiver} is none.");
        using var connection = Migration.ConnectorTo(receiver, new MigrationParameters { Tls = tls }.Validate())(cancel);
        using var cancelled = cancel.Register(connection.Abort);
        try
        {
            var rate = new BandwidthProbe(connection, receiver.ToString()).Run(duration);
            // A link that was cut here is no slow one.
            cancel.ThrowIfCancellationRequested();
            return rate;
        }
        catch (MigrationException)
        {
            cancel.ThrowIfCancellationRequested();
            throw;
        }
    }

    /// <summary>
    /// How a migration would go. Throws InvalidParameter where nothing is known of the link, or a parameter is outside its range; and
    /// GuestBusy and its kin where its pages can't be looked at.
    /// </summary>
    /// <param name="guest">The guest.</param>
    /// <param name="destination">Where it would go.</param>
    /// <param name="parameters">What would be asked for.</param>
    /// <param name="measured">What it dirties, as a curve.</param>
    /// <param name="bandwidth">What the link carries, bytes/s; null takes what is remembered, else the limit.</param>
    /// <param name="probed">What a probe found, bytes/s; null without one.</param>
    public static MigrationForecast Make(
        Guest guest, MigrationUri destination, MigrationParameters parameters, GuestDirtyRate measured, double? bandwidth = null, double? probed = null)
    {
        parameters.Validate();
        if (bandwidth <= 0) throw MigrationException.Invalid($"A link that carries {bandwidth} bytes per second carries no guest.");
        var known = LinkMemory.Find(destination, parameters, bandwidth, probed)
            ?? throw MigrationException.Invalid($"Nobody knows what the link to {destination} carries: give -Bandwidth, or a -MaxBandwidth that it surely carries, "
                + "or -Probe, or migrate there once.");
        // What a receiver is, is told only by a connection; a PsMigrate receiver is taken for granted unless the user says otherwise.
        var isAdaptive = guest.Kind == GuestKind.InMemory && parameters.Peer != PeerKind.Qemu && HasWayBack(destination);
        var request = Request(measured.Curve ?? throw MigrationException.Invalid($"Of guest {guest.Name} no curve was measured."), measured.Duration, destination, parameters, known, guest is MemoryGuest);
        return Forecaster.Forecast(request with
        {
            Name = guest.Name, HostName = guest.Host, IsAdaptive = isAdaptive, SparseShare = isAdaptive ? SparseShare((MemoryGuest)guest) : 1,
        });
    }

    /// <summary>The forecast of a guest that is no more, by its curve: of one whose pages are not sparse, to a receiver of its own kind.</summary>
    internal static MigrationForecast Recast(DirtyCurve curve, MigrationUri destination, MigrationParameters parameters, double bandwidth, bool isOurs)
    {
        var known = LinkMemory.Find(destination, parameters, bandwidth, probed: null)!.Value;
        return Forecaster.Forecast(Request(curve, curve.Points.Max(point => point.Interval), destination, parameters, known, isOurs) with { IsAdaptive = isOurs });
    }

    static ForecastRequest Request(
        DirtyCurve curve, TimeSpan duration, MigrationUri destination, MigrationParameters parameters, KnownBandwidth bandwidth, bool isOurs) => new()
    {
        Name = "", HostName = "", Destination = destination.ToString(), Curve = curve, Duration = duration, Bandwidth = bandwidth, Parameters = parameters,
        Sender = isOurs ? SenderModel.Ours : SenderModel.Qemu, IsDriven = !isOurs, AllowsPostcopy = HasWayBack(destination),
    };

    static bool HasWayBack(MigrationUri destination) => destination.Kind is MigrationUriKind.Tcp or MigrationUriKind.Unix or MigrationUriKind.Local;

    static double SparseShare(MemoryGuest guest)
    {
        var owner = new object();
        guest.Claim(owner, Guid.Empty, keepsSource: true);
        try
        {
            return SparseSample.Share(guest.Memory);
        }
        finally
        {
            guest.Unclaim(owner);
        }
    }
}
