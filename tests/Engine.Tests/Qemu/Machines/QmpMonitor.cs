using System.Net.Sockets;
using System.Text.Json;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>The test's own QMP connection: commands in turn, and the events that come with their answers.</summary>
sealed class QmpMonitor : IDisposable
{
    readonly Lock _gate = new();
    readonly List<JsonElement> _events = [];
    readonly NetworkStream _stream;
    readonly StreamReader _reader;

    QmpMonitor(Socket socket)
    {
        _stream = new NetworkStream(socket, ownsSocket: true) { ReadTimeout = 60_000 };
        _reader = new StreamReader(_stream);
    }

    /// <summary>Null if nobody listens there yet, or QEMU ends before it greets.</summary>
    public static QmpMonitor? TryConnect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        QmpMonitor? monitor = null;
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            monitor = new QmpMonitor(socket);
            monitor.ReadMessage();
            monitor.Execute("qmp_capabilities");
            return monitor;
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            monitor?.Dispose();
            socket.Dispose();
            return null;
        }
    }

    /// <summary>Runs a command and gives what it returns.</summary>
    /// <exception cref="InvalidOperationException">QEMU refuses it; the message has its words.</exception>
    /// <exception cref="IOException">QEMU is gone, or silent for a minute.</exception>
    public JsonElement Execute(string command, object? arguments = null)
    {
        lock (_gate)
        {
            JsonSerializer.Serialize(_stream, new Dictionary<string, object> { ["execute"] = command, ["arguments"] = arguments ?? new { } });
            while (ReadMessage() is { } message)
            {
                if (message.TryGetProperty("return", out var value)) return value;
                if (message.TryGetProperty("error", out var error)) throw new InvalidOperationException($"{command}: {error.GetProperty("desc")}");
                _events.Add(message);
            }
            throw new IOException($"QEMU closed its QMP socket at {command}.");
        }
    }

    /// <summary>All events so far. QEMU sends them in order with answers, so those before this call are here.</summary>
    public JsonElement[] Events()
    {
        lock (_gate)
        {
            try
            {
                Execute("query-status");
            }
            catch (IOException)
            {
                // It ended: what it said before has been read.
            }
            return [.. _events];
        }
    }

    public void Dispose() => _reader.Dispose();

    JsonElement? ReadMessage() => _reader.ReadLine() is { } line ? JsonDocument.Parse(line).RootElement : null;
}
