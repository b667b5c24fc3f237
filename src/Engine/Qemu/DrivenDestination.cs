using System.Diagnostics;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>What a destination says when it is asked; null for what it can't be asked.</summary>
/// <param name="Status">Of its incoming migration.</param>
/// <param name="RunState">QEMU's RunState.</param>
/// <param name="Trouble">What is wrong with it, in a sentence; null where nothing is.</param>
/// <param name="HasEnded">Whether nobody listens at its QMP socket any more.</param>
readonly record struct DestinationWord(MigrationStatus? Status, string? RunState, string? Trouble, bool HasEnded)
{
    /// <summary>Whether it has the whole guest.</summary>
    public bool IsLoaded => Status == MigrationStatus.Completed && RunState is not (null or QemuRunState.InMigrate);

    /// <summary>Whether nothing of a stream has come there yet.</summary>
    public bool IsUntouched => RunState == QemuRunState.InMigrate && Status is (null or MigrationStatus.None or MigrationStatus.Setup);

    /// <summary>Whether it will never have it.</summary>
    public bool IsLost => Status is MigrationStatus.Failed || HasEnded;
}

/// <summary>
/// The QEMU at the receiving end of a driven migration. It is held: after <c>stop</c> a QEMU that waits does not start the guest by
/// itself when it has arrived (qmp_stop clears autostart in RUN_STATE_INMIGRATE), so that it runs only after <c>cont</c>.
/// </summary>
sealed class DrivenDestination : IDisposable
{
    readonly MigrationUri _uri;
    readonly TimeSpan _connectTimeout;
    readonly TimeSpan _answerTimeout;
    readonly Lock _connecting = new();
    QmpClient? _client;
    bool _isOwn;

    public DrivenDestination(MigrationUri uri, MigrationParameters parameters)
    {
        _uri = uri;
        (_connectTimeout, _answerTimeout) = (parameters.ConnectTimeout, parameters.AnswerTimeout);
    }

    /// <summary>Whether the guest waits there for <see cref="TryContinue"/>.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>The connection; made when it is needed and not there. Throws what <see cref="QmpClient.Connect"/> throws.</summary>
    public QmpClient Connect(CancellationToken cancel = default)
    {
        lock (_connecting)
        {
            if (_client is { IsClosed: false } present) return present;
            if (_isOwn) _client?.Dispose();
            // QEMU serves one client per socket: where that is a guest of this process, its connection is shared.
            var known = QemuGuest.ConnectionTo(_uri);
            _isOwn = known is null;
            return _client = known ?? QmpReconnection.Connect(_uri, _connectTimeout, cancel);
        }
    }

    /// <summary>Has the guest wait for <see cref="TryContinue"/> when it has arrived.</summary>
    public void Hold()
    {
        Execute("stop");
        IsHeld = true;
    }

    /// <summary>
    /// Makes it listen, and gives the address where it does. <paramref name="hasBegun"/>: it listened already. Throws QemuRefused for a
    /// QEMU that was not started with <c>-incoming</c>.
    /// </summary>
    public MigrationUri Listen(MigrationUri at, out bool hasBegun)
    {
        var client = Connect();
        hasBegun = QemuMigrationInfo.Query(client).SocketAddresses.Length > 0;
        if (!hasBegun) Execute("migrate-incoming", Arguments(client, at));
        return Address(at);
    }

    /// <summary>The address to go on at, once both ends have stopped (migrate-recover).</summary>
    public MigrationUri Recover(MigrationUri at)
    {
        Connect().ExecuteOutOfBand("migrate-recover", new JsonObject { ["uri"] = at.ToString() }, _answerTimeout);
        return Address(at);
    }

    /// <summary>
    /// Starts the guest (cont). True when it runs, false when QEMU refuses (with its words), null when that can't be found out within
    /// <paramref name="limit"/>.
    /// </summary>
    public bool? TryContinue(TimeSpan limit, out MigrationException? refusal)
    {
        refusal = null;
        var isInQuestion = false;
        var clock = Stopwatch.StartNew();
        do
        {
            try
            {
                Execute("cont");
                IsHeld = false;
                return true;
            }
            catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
            {
                // The guest may have run since one that was not answered, and stand for a reason of its own.
                if (isInQuestion) return null;
                refusal = new(MigrationErrorId.DestinationFailed, MigrationSide.Destination, $"The destination does not run the guest: {error.Message}", error);
                return false;
            }
            catch (MigrationException)
            {
                isInQuestion = true;
                // The next round makes the connection anew; one that has ended will not come back.
                if (Ask().HasEnded) return null;
            }
            Thread.Sleep(100);
        }
        while (clock.Elapsed < limit);
        return null;
    }

    /// <summary>Asks what became of the guest there; a connection that was lost is made anew. Never throws.</summary>
    public DestinationWord Ask() => Ask(isFirst: true);

    DestinationWord Ask(bool isFirst)
    {
        try
        {
            var client = Connect();
            var info = QemuMigrationInfo.Parse(client.Execute("query-migrate", timeout: _answerTimeout));
            var runState = client.Execute("query-status", timeout: _answerTimeout).Text("status");
            var trouble = info.Status == MigrationStatus.Failed ? $"it says: {info.ErrorDescription ?? "failed"}." : null;
            return new(info.Status, runState, trouble, false);
        }
        catch (MigrationException error) when (isFirst && error.Id == MigrationErrorId.QmpConnectionLost)
        {
            // A connection that breaks does not say whether QEMU has ended; whether another can be made does.
            return Ask(isFirst: false);
        }
        catch (MigrationException error)
        {
            var hasEnded = DrivenErrors.SaysEnded(_uri, error);
            return new(null, null, hasEnded ? "its QEMU has ended; its log says why." : error.Message, hasEnded);
        }
    }

    /// <summary>Asks until it has the guest or never will, or can't be asked, or so long.</summary>
    public DestinationWord AwaitEnd(TimeSpan limit)
    {
        var clock = Stopwatch.StartNew();
        var word = Ask();
        while (word is { IsLoaded: false, IsLost: false, RunState: not null } && clock.Elapsed < limit)
        {
            Thread.Sleep(10);
            word = Ask();
        }
        return word;
    }

    public void Dispose()
    {
        if (_isOwn) _client?.Dispose();
    }

    void Execute(string command, JsonObject? arguments = null) => Connect().Execute(command, arguments, _answerTimeout);

    // A QEMU that stays alive can say why it failed.
    static JsonObject Arguments(QmpClient client, MigrationUri at) => client.QemuVersion >= QemuFeatures.ExitOnError
        ? new JsonObject { ["uri"] = at.ToString(), ["exit-on-error"] = false }
        : new JsonObject { ["uri"] = at.ToString() };

    MigrationUri Address(MigrationUri at)
    {
        if (at is not { Kind: MigrationUriKind.Tcp, Port: 0 }) return at;
        var listening = QemuMigrationInfo.Query(Connect()).SocketAddresses.FirstOrDefault(one => one.Kind == MigrationUriKind.Tcp)
            ?? throw new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                $"The destination does not say at which port it listens; give one instead of {at}.");
        return at.WithPort(listening.Port);
    }
}
