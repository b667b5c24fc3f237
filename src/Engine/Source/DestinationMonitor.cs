using System.Diagnostics;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>The QMP of the QEMU that takes a guest in: to know how to speak to it, and to let the guest run once it is there for certain.</summary>
/// <param name="address">Its QMP socket.</param>
/// <param name="shared">A connection of this process to it, which stays open; null makes one.</param>
sealed class DestinationMonitor(string address, QmpClient? shared = null) : IDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    // How long an address that QEMU listened at itself may stay taken.
    static readonly TimeSpan ListenerTime = TimeSpan.FromSeconds(5);

    QmpClient? _client;

    /// <summary>
    /// Before anything is sent: an address at which nobody answers, or a QEMU that waits for no guest, must not cost one. Throws
    /// QemuRefused, and what the client throws.
    /// </summary>
    public void Connect(TimeSpan timeout, CancellationToken cancel)
    {
        _client = shared ?? QmpClient.Connect(MigrationUri.Parse(address), timeout, cancel);
        if (Status() is not "inmigrate" and var status)
            throw new MigrationException(MigrationErrorId.QemuRefused, MigrationSide.User,
                $"The QEMU at {address} waits for no guest: it is {Printable.Text(status ?? "of no state")}. Is it the one that is migrated to?");
    }

    /// <summary>
    /// Tells it to go on, and returns when it runs. While a migration comes in, QEMU takes <c>cont</c> for a wish that the run state of the
    /// stream then overrules; so its end is waited for. Throws QmpTimeout and its kin.
    /// </summary>
    public void Continue(TimeSpan timeout)
    {
        var clock = Stopwatch.StartNew();
        for (; Status() == "inmigrate"; Thread.Sleep(Period)) ThrowIfLate(clock, timeout, "is still taking the guest in");
        _client!.Execute("cont");
        for (; Status() != "running"; Thread.Sleep(Period)) ThrowIfLate(clock, timeout, "does not run it");
    }

    /// <summary>
    /// What it is and how it is set for so many channels, to be called before anything is connected: two ends that differ in that would
    /// wait for each other for ever. Throws EndsDisagree, PeerVersionUnknown, and what the client throws.
    /// </summary>
    public (Version Release, Guid Uuid) QueryChannels(int channels, MigrationCompression compression)
    {
        var parameters = QemuParameters.Query(_client!);
        var method = compression.ToString().ToLowerInvariant();
        if (!QemuCapabilities.Query(_client!).IsOn("multifd")) throw Disagrees("its capability multifd is off; switch it on before it listens");
        if (parameters.Number("multifd-channels") is { } there && there != channels) throw Disagrees($"its multifd-channels is {there}, and -Channels is {channels}");
        if (parameters.Text("multifd-compression") is { } packed && packed != method) throw Disagrees($"its multifd-compression is {Printable.Text(packed)}, and not {method}");
        var identity = QemuIdentity.Query(_client!);
        return (identity.Version ?? throw NoRelease(), identity.Uuid ?? Guid.Empty);
    }

    /// <summary>Before anything is connected. Throws EndsDisagree when it is not set for postcopy, and what the client throws.</summary>
    public void CheckPostcopy(bool withPreempt)
    {
        var capabilities = QemuCapabilities.Query(_client!);
        foreach (var name in (ReadOnlySpan<string>)["postcopy-ram", .. withPreempt ? ["postcopy-preempt"] : Array.Empty<string>()])
            if (!capabilities.IsOn(name))
                throw new MigrationException(MigrationErrorId.EndsDisagree, MigrationSide.Destination,
                    $"The QEMU at {address} is not set for postcopy: its capability {name} is off; switch it on before it listens.");
    }

    /// <summary>Throws PeerVersionUnknown, and what the client throws.</summary>
    public Version QueryRelease() => QemuIdentity.Query(_client!).Version ?? throw NoRelease();

    /// <summary>Has the guest stand still when it has arrived, until <see cref="Continue"/>.</summary>
    public void Hold() => _client!.Execute("stop");

    /// <summary>
    /// Makes it listen there for a source that goes on (migrate-recover), once it has noticed that its link is gone. Throws QmpTimeout and its
    /// kin.
    /// </summary>
    public void Recover(string at, TimeSpan timeout)
    {
        var clock = Stopwatch.StartNew();
        for (; QemuMigrationInfo.Query(_client!).Status != MigrationStatus.PostcopyPaused; Thread.Sleep(Period)) ThrowIfLate(clock, timeout, "waits for no recovery");
        clock.Restart();
        while (!TryRecover(at, timeout, isLast: clock.Elapsed > ListenerTime)) Thread.Sleep(Period);
    }

    /// <summary>
    /// False when it is to be tried again: QEMU closes what it listened at before, and the system lets go of it only when QEMU's main loop,
    /// which waits for it to be connected to, has noticed.
    /// </summary>
    bool TryRecover(string at, TimeSpan timeout, bool isLast)
    {
        try
        {
            _client!.ExecuteOutOfBand("migrate-recover", new JsonObject { ["uri"] = at }, timeout);
            return true;
        }
        catch (MigrationException e) when (!isLast && e.Id == MigrationErrorId.QemuRefused && e.Message.Contains("in use", StringComparison.Ordinal))
        {
            return false;
        }
    }

    MigrationException NoRelease() =>
        new(MigrationErrorId.PeerVersionUnknown, MigrationSide.Destination, $"The QEMU at {address} does not tell its release.");

    public void Dispose()
    {
        if (shared is null) _client?.Dispose();
    }

    string? Status() => JsonObject.Create(_client!.Execute("query-status"))?["status"]?.GetValue<string>();

    MigrationException Disagrees(string how) =>
        new(MigrationErrorId.EndsDisagree, MigrationSide.Destination, $"The QEMU at {address} can't take the channels: {how}.");

    void ThrowIfLate(Stopwatch clock, TimeSpan timeout, string what)
    {
        if (clock.Elapsed > timeout)
            throw new MigrationException(MigrationErrorId.QmpTimeout, MigrationSide.Destination, $"QEMU at {address} {what} after {timeout.TotalSeconds:0.#} s.");
    }
}
