using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PsMigrate.Bench.Peers;

/// <summary>Just enough of QMP: a command, its answer.</summary>
sealed class QmpClient : IDisposable
{
    readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    readonly StreamReader _reader;

    public QmpClient(string path)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(path));
        _reader = new StreamReader(new NetworkStream(_socket), Encoding.UTF8);
        _reader.ReadLine();
        Execute("qmp_capabilities");
    }

    /// <summary>Runs a command and returns its answer. Throws on an error; events are passed over.</summary>
    public JsonNode Execute(string command, JsonObject? arguments = null)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null) request["arguments"] = arguments;
        _socket.Send(Encoding.UTF8.GetBytes(request.ToJsonString() + "\n"));
        while (_reader.ReadLine() is { } line)
        {
            var answer = JsonNode.Parse(line)!;
            if (answer["error"] is { } error) throw new BenchException($"QEMU refused {command}: {error["desc"]}");
            if (answer["return"] is { } result) return result;
        }
        throw new BenchException($"QEMU closed the connection at {command}.");
    }

    public void Dispose()
    {
        _reader.Dispose();
        _socket.Dispose();
    }
}
