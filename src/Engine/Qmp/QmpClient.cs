using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>
/// A client of the QEMU Machine Protocol (docs/interop/qmp-spec): commands from any number of threads, answers matched by id, events on
/// the thread that reads. Whatever the other end does, every wait ends and memory is bounded.
/// </summary>
sealed partial class QmpClient : IDisposable
{
    /// <summary>How long a command may take unless said otherwise.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    // QEMU stops reading a monitor, out-of-band commands included, when eight commands wait (QMP_REQ_QUEUE_LEN_MAX).
    const int MaxInFlight = 7;

    // Guards all that follows; waited on by whoever waits for a turn, an answer, the greeting or the end.
    readonly object _gate = new();
    readonly Dictionary<long, QmpCommand> _inFlight = [];
    readonly QmpLane _inBand = new();
    readonly QmpLane _outOfBand = new();
    readonly QmpSubscribers _subscribers = new();
    readonly IConnection _connection;
    readonly Thread _reader;
    QmpCommand? _sending;
    JsonElement? _greeting;
    MigrationException? _closedBecause;
    long _lastId;

    QmpClient(MigrationUri uri, IConnection connection)
    {
        Uri = uri;
        _connection = connection;
        _reader = EngineThread.Make($"qmp {uri}", Read, failed: null);
    }

    /// <summary>Where QEMU's QMP socket is.</summary>
    public MigrationUri Uri { get; }

    /// <summary>major.minor.micro of QEMU.</summary>
    public Version QemuVersion { get; private set; } = new();

    /// <summary>What the distributor says of the build; may be empty.</summary>
    public string Package { get; private set; } = "";

    /// <summary>Whether QEMU executes out-of-band commands.</summary>
    public bool HasOutOfBand { get; private set; }

    /// <summary>Whether the connection has ended, for whatever reason.</summary>
    public bool IsClosed => ClosedBecause is not null;

    /// <summary>Why the connection ended: QmpConnectionLost, QmpProtocolError or QmpTimeout; null while it has not.</summary>
    public MigrationException? ClosedBecause => Volatile.Read(ref _closedBecause);

    /// <summary>How many commands wait for their turn or their answer, with those that were given up and not answered yet.</summary>
    public int Pending
    {
        get
        {
            lock (_gate) return _inFlight.Count + _inBand.Waiting + _outOfBand.Waiting;
        }
    }

    /// <summary>What a subscriber threw last.</summary>
    public Exception? SubscriberFailure => _subscribers.Failure;

    /// <summary>
    /// Connects to a <c>unix:</c> or <c>tcp:</c> address, reads the greeting and negotiates, all within the timeout; blocks. Throws what
    /// <see cref="Connector.Connect"/> throws, QmpTimeout, QmpProtocolError, QmpConnectionLost, QemuRefused, OperationCanceledException.
    /// </summary>
    public static QmpClient Connect(MigrationUri uri, TimeSpan timeout, CancellationToken cancel = default)
    {
        if (uri.Kind is not (MigrationUriKind.Tcp or MigrationUriKind.Unix)) throw QmpErrors.NoSocket(uri);
        var end = new Deadline(timeout);
        var client = new QmpClient(uri, Connector.Connect(uri, timeout, cancel));
        try
        {
            client._reader.Start();
            using (cancel.Register(client.Dispose)) client.Negotiate(timeout, end);
            cancel.ThrowIfCancellationRequested();
            return client;
        }
        catch (Exception error)
        {
            client.Dispose();
            if (error is MigrationException) cancel.ThrowIfCancellationRequested();
            throw;
        }
    }

    /// <summary>
    /// Executes a command and gives what it returns; blocks. Throws QemuRefused, UnsupportedByQemu, QmpTimeout (after which QEMU may
    /// still carry it out; its late answer is dropped), and why the connection ended. Not from a subscriber: its thread is the one that
    /// would have to read the answer.
    /// </summary>
    public JsonElement Execute(string command, JsonObject? arguments = null, TimeSpan? timeout = null) =>
        Run("execute", command, arguments, timeout ?? DefaultTimeout, _inBand);

    /// <summary>
    /// As <see cref="Execute"/>, past the commands that QEMU has not executed yet, where QEMU has that: only a few commands allow it
    /// (migrate-pause, migrate-recover). Elsewhere an ordinary command.
    /// </summary>
    public JsonElement ExecuteOutOfBand(string command, JsonObject? arguments = null, TimeSpan? timeout = null) => HasOutOfBand
        ? Run("exec-oob", command, arguments, timeout ?? DefaultTimeout, _outOfBand)
        : Execute(command, arguments, timeout);

    /// <summary>
    /// Has events told, and the end, once, with its reason: on the thread that reads, so that both must be quick; while they run, no
    /// answer and no event is read. On a connection that has ended <paramref name="onClosed"/> is called at once. Dispose what is
    /// returned to leave.
    /// </summary>
    public IDisposable Subscribe(Action<QmpEvent> onEvent, Action<MigrationException>? onClosed = null) =>
        _subscribers.Add(onEvent, onClosed);

    /// <summary>Closes the connection; commands in flight fail. From any thread, any number of times.</summary>
    public void Dispose() => Close(QmpErrors.ClosedHere(Uri));

    void Negotiate(TimeSpan timeout, Deadline end)
    {
        JsonElement? greeting;
        lock (_gate)
        {
            while (_greeting is null && _closedBecause is null && !end.IsOver) Monitor.Wait(_gate, end.Left);
            greeting = _greeting;
        }
        if (greeting is null) Close(QmpErrors.NoGreeting(Uri, timeout, _connection.BytesReceived > 0));
        if (ClosedBecause is { } why) throw why;
        (QemuVersion, Package, var offersOutOfBand) = QmpMessage.ReadGreeting(Uri, greeting!.Value);
        Execute("qmp_capabilities", offersOutOfBand ? new JsonObject { ["enable"] = new JsonArray("oob") } : null, end.Left);
        if (!offersOutOfBand) return;
        HasOutOfBand = true;
        // Without out-of-band commands QEMU reads the next command only after it has answered one.
        lock (_gate) _inBand.Slots = _outOfBand.Slots = MaxInFlight;
    }

    /// <summary>The first reason stays.</summary>
    void Close(MigrationException why)
    {
        lock (_gate)
        {
            if (_closedBecause is not null) return;
            Volatile.Write(ref _closedBecause, why);
            _inFlight.Clear();
            Monitor.PulseAll(_gate);
        }
        _connection.Abort();
    }
}
