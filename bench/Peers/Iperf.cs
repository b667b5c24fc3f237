using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace PsMigrate.Bench.Peers;

/// <summary>iperf3 to itself over loopback, one stream.</summary>
static class Iperf
{
    /// <summary>Sends so many bytes in blocks of 1 MiB and returns what the receiver got, bytes/s.</summary>
    public static double Measure(long bytes)
    {
        var port = FreePort().ToString(System.Globalization.CultureInfo.InvariantCulture);
        using var server = Child.Start("iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port, "--forceflush");
        while (!server.ReadLine().Contains("listening", StringComparison.OrdinalIgnoreCase))
        {
        }
        using var client = Child.Start("iperf3", "-c", "127.0.0.1", "-p", port, "-l", "1M", "-n", bytes.ToString(System.Globalization.CultureInfo.InvariantCulture), "-J");
        using var report = JsonDocument.Parse(client.ReadToEnd());
        if (!report.RootElement.TryGetProperty("end", out var end) || !end.TryGetProperty("sum_received", out var received))
            throw new BenchException($"iperf3 reported nothing: {report.RootElement}");
        return received.GetProperty("bits_per_second").GetDouble() / 8;
    }

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
