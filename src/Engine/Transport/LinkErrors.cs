using System.Net.Sockets;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>The typed errors of links, in one wording.</summary>
static class LinkErrors
{
    /// <summary>ConnectionLost, because this end was closed or cut while it was in use.</summary>
    public static MigrationException ClosedHere(string peer, Exception? inner = null) =>
        new(MigrationErrorId.ConnectionLost, MigrationSide.Link, $"The connection with {peer} was closed at this end.", inner);

    /// <summary>ConnectionLost, because the other end has gone or was cut off.</summary>
    public static MigrationException Lost(string peer, string reason, Exception? inner = null) =>
        new(MigrationErrorId.ConnectionLost, MigrationSide.Link, $"The connection with {peer} was lost: {reason}", inner);

    /// <summary>Why a connection could not be made.</summary>
    public static MigrationException NotConnected(MigrationUri uri, SocketException inner)
    {
        var (id, text) = inner.SocketErrorCode switch
        {
            _ when uri.Kind == MigrationUriKind.Unix && !File.Exists(uri.Path) =>
                (MigrationErrorId.ConnectionRefused, "there is no such socket."),
            // ENOENT, of a file that has appeared since.
            SocketError.AddressNotAvailable when uri.Kind == MigrationUriKind.Unix => (MigrationErrorId.ConnectionRefused, "there was no such socket."),
            SocketError.ConnectionRefused => (MigrationErrorId.ConnectionRefused, "nobody listens there."),
            SocketError.AccessDenied => (MigrationErrorId.ConnectionRefused, "this user has no permission."),
            SocketError.TimedOut => (MigrationErrorId.ConnectTimeout, "it did not answer in time."),
            _ => (MigrationErrorId.HostUnreachable, inner.Message),
        };
        return new(id, MigrationSide.Link, $"Can't connect to {uri}: {text}", inner);
    }

    /// <summary>ConnectTimeout, because the time allowed is over.</summary>
    public static MigrationException TooSlow(MigrationUri uri, TimeSpan timeout) =>
        new(MigrationErrorId.ConnectTimeout, MigrationSide.Link, $"Can't connect to {uri}: no connection within {timeout.TotalSeconds:0.##} s.");

    /// <summary>NameNotResolved.</summary>
    public static MigrationException NoSuchName(MigrationUri uri, Exception? inner) =>
        new(MigrationErrorId.NameNotResolved, MigrationSide.Link, $"The host name '{uri.Host}' can't be resolved.", inner);

    /// <summary>AddressInUse.</summary>
    public static MigrationException InUse(MigrationUri uri, Exception? inner = null) =>
        new(MigrationErrorId.AddressInUse, MigrationSide.User, $"Can't listen at {uri}: the address is in use.", inner);

    /// <summary>ListenFailed.</summary>
    public static MigrationException NotListening(MigrationUri uri, string reason, Exception? inner = null) =>
        new(MigrationErrorId.ListenFailed, MigrationSide.User, $"Can't listen at {uri}: {reason}", inner);

    /// <summary>UnsupportedUri for files and commands, which are no sockets; an ArgumentException for the in-process host.</summary>
    public static Exception NoSocket(MigrationUri uri) => uri.Kind == MigrationUriKind.Local
        ? new ArgumentException($"{uri} is reached by a local link, not by a socket.", nameof(uri))
        : new MigrationException(MigrationErrorId.UnsupportedUri, MigrationSide.User, $"{uri} can't be used here: it is no socket.");
}
