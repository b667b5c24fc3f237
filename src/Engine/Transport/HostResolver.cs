using System.Net;
using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>From an address to the end points that can be tried.</summary>
static class HostResolver
{
    /// <summary>
    /// At least one end point, in the order to try. Throws NameNotResolved, UnsupportedUri for what is no socket, and
    /// OperationCanceledException.
    /// </summary>
    public static EndPoint[] EndPoints(MigrationUri uri, Deadline end, CancellationToken cancel) => uri.Kind switch
    {
        MigrationUriKind.Unix => [new UnixDomainSocketEndPoint(uri.Path)],
        MigrationUriKind.Tcp => Array.ConvertAll(Addresses(uri, end, cancel), address => (EndPoint)new IPEndPoint(address, uri.Port)),
        _ => throw LinkErrors.NoSocket(uri),
    };

    static IPAddress[] Addresses(MigrationUri uri, Deadline end, CancellationToken cancel)
    {
        if (IPAddress.TryParse(uri.Host, out var literal)) return [literal];
        // Not left to a name server: what may be sent there unencrypted depends on it.
        if (uri.IsLocalhost) return [IPAddress.Loopback, IPAddress.IPv6Loopback];
        cancel.ThrowIfCancellationRequested();
        try
        {
            var asked = Dns.GetHostAddressesAsync(uri.Host, cancel);
            if (!asked.Wait((int)end.Left.TotalMilliseconds, cancel)) throw LinkErrors.NoSuchName(uri, new TimeoutException());
            var addresses = asked.GetAwaiter().GetResult();
            return addresses.Length > 0 ? addresses : throw LinkErrors.NoSuchName(uri, null);
        }
        catch (AggregateException failed) when (failed.InnerException is OperationCanceledException)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (AggregateException failed) when (failed.InnerException is SocketException inner)
        {
            throw LinkErrors.NoSuchName(uri, inner);
        }
    }
}
