using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qmp;

/// <summary>What a scripted QEMU does with a command: its answer's <c>return</c>, <see cref="FakeQmpServer.Silence"/>, or a <see cref="QmpRefusal"/>.</summary>
delegate JsonNode? QmpHandler(JsonObject arguments);

/// <summary>Thrown by a handler: the command is answered with this error.</summary>
sealed class QmpRefusal(string description, string errorClass = "GenericError") : Exception(description)
{
    public string Class { get; } = errorClass;
}

/// <summary>
/// A QEMU that does as it is told, of any version: commands have handlers, events are emitted, and what is no QMP can be sent too. Serves
/// one client at a time, as QEMU does; each command is handled on the thread of its connection, in order, out-of-band ones as well.
/// </summary>
sealed class FakeQmpServer : IDisposable
{
    /// <summary>Returned by a handler that does not answer (yet): see <see cref="Answer"/>.</summary>
    public static readonly JsonNode Silence = "silence";

    readonly ConnectionListener _listener;
    readonly Thread _thread;
    readonly Lock _sending = new();
    readonly ConcurrentQueue<string> _received = new();
    volatile IConnection? _client;
    volatile bool _isDisposed;
    long _sent;

    /// <summary>Listens at once, at a unix socket unless told otherwise.</summary>
    public FakeQmpServer(string? address = null)
    {
        _listener = ConnectionListener.Listen(MigrationUri.Parse(address ?? $"unix:{Path.Combine(Path.GetTempPath(), $"psm-qmp-{Guid.NewGuid():N}")}"));
        Commands["qmp_capabilities"] = _ => new JsonObject();
        _thread = new Thread(Serve) { IsBackground = true, Name = "fake qmp" };
        _thread.Start();
    }

    /// <summary>Where to connect.</summary>
    public MigrationUri Uri => _listener.Uri;

    /// <summary>Command to handler. Any other is answered with CommandNotFound. May be changed at any time.</summary>
    public ConcurrentDictionary<string, QmpHandler> Commands { get; } = new();

    /// <summary>What is sent first; null to say nothing.</summary>
    public string? Greeting { get; set; } = GreetingOf(10, 0, 2);

    /// <summary>How many bytes are sent in one piece.</summary>
    public int PieceSize { get; set; } = int.MaxValue;

    /// <summary>The connection is closed after so many bytes.</summary>
    public long CloseAfter { get; set; } = long.MaxValue;

    /// <summary>Whether commands are read at all.</summary>
    public bool IsReading { get; set; } = true;

    /// <summary>Called with each command as it came, before it is handled.</summary>
    public Action<JsonObject>? Seen { get; set; }

    /// <summary>The names of the commands that came, in order, without qmp_capabilities.</summary>
    public string[] Received => [.. _received];

    /// <summary>Whether somebody is connected.</summary>
    public bool HasClient => _client is not null;

    /// <summary>The greeting of a QEMU of this version.</summary>
    public static string GreetingOf(int major, int minor, int micro, params string[] capabilities) => new JsonObject
    {
        ["QMP"] = new JsonObject
        {
            ["version"] = new JsonObject
            {
                ["qemu"] = new JsonObject { ["micro"] = micro, ["minor"] = minor, ["major"] = major },
                ["package"] = "fake",
            },
            ["capabilities"] = new JsonArray([.. capabilities.Select(one => JsonValue.Create(one))]),
        },
    }.ToJsonString();

    /// <summary>A client of ours, connected.</summary>
    public QmpClient Connect() => QmpClient.Connect(Uri, Patience.Limit);

    /// <summary>Sends an event, with the present time.</summary>
    public void Emit(string name, JsonObject? data = null)
    {
        var now = DateTimeOffset.UtcNow;
        Send(new JsonObject
        {
            ["timestamp"] = new JsonObject { ["seconds"] = now.ToUnixTimeSeconds(), ["microseconds"] = now.Microsecond + (1000 * now.Millisecond) },
            ["event"] = name,
            ["data"] = data?.DeepClone(),
        }.ToJsonString());
    }

    /// <summary>Answers a command by its id, whether it was ever asked or not.</summary>
    public void Answer(JsonNode? id, JsonNode? value) => Send(new JsonObject { ["return"] = value?.DeepClone(), ["id"] = id?.DeepClone() }.ToJsonString());

    /// <summary>Sends a line as it is.</summary>
    public void Send(string line) => SendBytes(Encoding.UTF8.GetBytes(line + "\r\n"));

    /// <summary>Sends bytes as they are; those that find nobody are lost.</summary>
    public void SendBytes(ReadOnlySpan<byte> bytes)
    {
        lock (_sending)
        {
            if (_client is not { } client) return;
            try
            {
                while (!bytes.IsEmpty)
                {
                    var count = (int)Math.Min(Math.Min(bytes.Length, PieceSize), CloseAfter - _sent);
                    client.Output.Write(bytes[..count]);
                    var flushed = client.Output.FlushAsync();
                    Assert.True(flushed.IsCompleted);
                    _sent += count;
                    bytes = bytes[count..];
                    if (_sent < CloseAfter) continue;
                    client.Dispose();
                    return;
                }
            }
            catch (MigrationException)
            {
                // The client has gone.
            }
        }
    }

    /// <summary>Cuts the client off.</summary>
    public void Drop() => _client?.Abort();

    public void Dispose()
    {
        _isDisposed = true;
        _listener.Dispose();
        Drop();
        if (Thread.CurrentThread != _thread) Assert.True(_thread.Join(Patience.Limit));
    }

    void Serve()
    {
        while (!_isDisposed && _listener.Accept() is { } client)
        {
            using (client)
            {
                _sent = 0;
                _client = client;
                if (_isDisposed) client.Abort();
                if (Greeting is { } greeting) Send(greeting);
                try
                {
                    ServeCommands(client);
                }
                catch (Exception gone) when (gone is MigrationException or ObjectDisposedException)
                {
                    // So has the client.
                }
                _client = null;
            }
        }
    }

    void ServeCommands(IConnection client)
    {
        while (!IsReading && !_isDisposed && client.BytesSent >= 0) Thread.Sleep(1);
        var lines = new QmpLineReader(Uri, client.Input);
        while (lines.Next() is { } line) Handle(JsonNode.Parse(line.Span)!.AsObject());
    }

    void Handle(JsonObject message)
    {
        var name = (message["execute"] ?? message["exec-oob"])!.GetValue<string>();
        if (name != "qmp_capabilities") _received.Enqueue(name);
        Seen?.Invoke(message);
        try
        {
            var handler = Commands.GetValueOrDefault(name) ?? throw new QmpRefusal($"The command {name} has not been found", "CommandNotFound");
            var answer = handler(message["arguments"]?.AsObject() ?? []);
            if (!ReferenceEquals(answer, Silence)) Answer(message["id"], answer);
        }
        catch (QmpRefusal refusal)
        {
            Refuse(message, refusal.Class, refusal.Message);
        }
        catch (Exception failed)
        {
            // So that the test sees it.
            Refuse(message, "GenericError", $"The handler failed: {failed}");
        }
    }

    void Refuse(JsonObject message, string errorClass, string description) => Send(new JsonObject
    {
        ["error"] = new JsonObject { ["class"] = errorClass, ["desc"] = description },
        ["id"] = message["id"]?.DeepClone(),
    }.ToJsonString());
}
