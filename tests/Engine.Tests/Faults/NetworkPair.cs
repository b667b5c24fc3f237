using System.Diagnostics;
using System.Runtime.InteropServices;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// Two networks of the kernel's, joined by one cable (veth). A socket belongs to the network of the thread that makes it, so the two ends
/// of a link are made by threads that go there, and used by any.
/// </summary>
sealed partial class NetworkPair : IDisposable
{
    static int _last;
    readonly string _near;
    readonly string _far;
    readonly ConnectionListener _listener;

    public NetworkPair()
    {
        var number = Interlocked.Increment(ref _last);
        (_near, _far) = ($"psm{Environment.ProcessId}n{number}", $"psm{Environment.ProcessId}f{number}");
        Ip("netns", "add", _near);
        Ip("netns", "add", _far);
        Ip("link", "add", "cable", "netns", _near, "type", "veth", "peer", "name", "cable", "netns", _far);
        Ip("-n", _near, "addr", "add", "10.99.0.1/24", "dev", "cable");
        Ip("-n", _far, "addr", "add", "10.99.0.2/24", "dev", "cable");
        foreach (var end in new[] { _near, _far })
        {
            Ip("-n", end, "link", "set", "cable", "up");
            TryAgainSoon(end);
        }
        _listener = In(_far, () => ConnectionListener.Listen(MigrationUri.Parse("tcp:10.99.0.2:0")));
    }

    /// <summary>How long to wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; init; } = Patience.Limit;

    /// <summary>The cable is pulled out of the far end, or put in again. Nobody is told.</summary>
    public bool IsUp
    {
        set => Ip("-n", _far, "link", "set", "cable", value ? "up" : "down");
    }

    /// <summary>So many bits per second from the near end to the far end.</summary>
    public void LimitRate(string rate) =>
        Ip("netns", "exec", _near, "tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "50ms");

    /// <summary>A connection from the near end to the far end.</summary>
    public (IConnection Source, IConnection Destination) Open(CancellationToken cancel)
    {
        var source = In(_near, () => Connector.Connect(_listener.Uri, ConnectTimeout, cancel));
        return (source, _listener.Accept()!);
    }

    public void Dispose()
    {
        _listener.Dispose();
        Ip("netns", "del", _near);
        Ip("netns", "del", _far);
    }

    /// <summary>Where the kernel can, what is lost is sent again every two seconds, however long the cable was out, and never given up.</summary>
    static void TryAgainSoon(string end) => In(end, () =>
    {
        const string Longest = "/proc/sys/net/ipv4/tcp_rto_max_ms";
        if (!File.Exists(Longest)) return false;
        File.WriteAllText(Longest, "2000");
        File.WriteAllText("/proc/sys/net/ipv4/tcp_retries2", "100");
        return true;
    });

    /// <summary>On a thread that ends with it: no other one may ever find itself there.</summary>
    static T In<T>(string network, Func<T> make)
    {
        T? made = default;
        Exception? failed = null;
        var thread = new Thread(() =>
        {
            try
            {
                using var handle = File.OpenHandle($"/run/netns/{network}", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                Assert.True(SetNamespace(handle, NetworkNamespace) == 0, $"setns: error {Marshal.GetLastPInvokeError()}");
                made = make();
            }
            catch (MigrationException e)
            {
                failed = e;
            }
            catch (OperationCanceledException e)
            {
                failed = e;
            }
        });
        thread.Start();
        thread.Join();
        return failed is null ? made! : throw failed;
    }

    static void Ip(params string[] arguments) => Run(["ip", .. arguments]);

    static void Run(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{string.Join(' ', command)}: {said}");
    }

    const int NetworkNamespace = 0x40000000;

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeHandle network, int type);
}

/// <summary>A test that makes networks.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class NetworkFactAttribute : FactAttribute
{
    public NetworkFactAttribute()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess) Skip = "Only root on Linux can make network namespaces.";
        else if (!new[] { "/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip" }.Any(File.Exists)) Skip = "ip (iproute2) is not installed.";
    }
}
