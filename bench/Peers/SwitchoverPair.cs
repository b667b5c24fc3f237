using System.Globalization;
using System.Text.Json;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Peers;

/// <summary>Two processes that are started for this: small running guests go from one to the other.</summary>
static class SwitchoverPair
{
    /// <summary>So many over tcp; the first one is the first of both processes.</summary>
    public static List<(DowntimeParts Source, SwitchoverTimes? Destination)> OverTcp(int count)
    {
        using var receiver = ThisProgram.Start(SwitchoverRole.Receives);
        var uri = receiver.ReadLine();
        // What a receiver does on its own when it starts is no part of a migration.
        Thread.Sleep(500);
        return Send(uri, count, () => JsonSerializer.Deserialize<SwitchoverTimes>(receiver.ReadLine()));
    }

    /// <summary>So many inside one process.</summary>
    public static List<(DowntimeParts Source, SwitchoverTimes? Destination)> Local(int count) => Send("local:there", count, () => null);

    static List<(DowntimeParts Source, SwitchoverTimes? Destination)> Send(string uri, int count, Func<SwitchoverTimes?> arrived)
    {
        using var sender = ThisProgram.Start(SwitchoverRole.Sends, uri, count.ToString(CultureInfo.InvariantCulture));
        return [.. Enumerable.Range(0, count).Select(_ => (JsonSerializer.Deserialize<DowntimeParts>(sender.ReadLine())!, arrived()))];
    }
}
