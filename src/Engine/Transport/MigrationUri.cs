using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>The kinds of address a guest can go to or come from.</summary>
public enum MigrationUriKind
{
    /// <summary>Another host inside this process.</summary>
    Local,

    /// <summary>A host and a port.</summary>
    Tcp,

    /// <summary>A socket in the file system.</summary>
    Unix,

    /// <summary>A file.</summary>
    File,

    /// <summary>The standard input or output of a command.</summary>
    Exec,

    /// <summary>Nobody told: of a migration that a QEMU was at already when it was connected.</summary>
    Unknown,
}

/// <summary>
/// An address in QEMU's notation: <c>local</c>, <c>local:NAME</c>, <c>tcp:HOST:PORT</c>, <c>tcp:[IPV6]:PORT</c>, <c>unix:PATH</c>,
/// <c>file:PATH</c>, <c>file:PATH,offset=N</c> or <c>exec:COMMAND</c>. Immutable, and checked when it is made.
/// </summary>
public sealed record MigrationUri
{
    // The name of the in-process host that guests are on unless they say otherwise.
    const string DefaultName = "local";

    // sockaddr_un holds 108 bytes, the last of which ends the path.
    const int MaxUnixPath = 107;

    const int MaxName = 64;

    const string OffsetMark = ",offset=";

    MigrationUri()
    {
    }

    /// <summary>The address that nobody told.</summary>
    internal static MigrationUri Unknown { get; } = new() { Kind = MigrationUriKind.Unknown };

    /// <summary>What kind of address it is.</summary>
    public MigrationUriKind Kind { get; private init; }

    /// <summary>Name or IP address of the host, without brackets; empty unless <see cref="MigrationUriKind.Tcp"/>.</summary>
    public string Host { get; private init; } = "";

    /// <summary>0 to 65535; 0 lets a listener choose.</summary>
    public int Port { get; private init; }

    /// <summary>Path of the socket or the file, or the command; empty for the other kinds.</summary>
    public string Path { get; private init; } = "";

    /// <summary>The folder that a command runs in; empty for that of the process.</summary>
    public string Folder { get; private init; } = "";

    /// <summary>Where in the file the stream begins, bytes; 0 unless <see cref="MigrationUriKind.File"/>.</summary>
    public long Offset { get; private init; }

    /// <summary>The in-process host; empty unless <see cref="MigrationUriKind.Local"/>.</summary>
    public string Name { get; private init; } = "";

    /// <summary>Whether what is sent there stays on this machine's kernel: in-process, a unix socket, or a loopback address.</summary>
    public bool IsLoopback => Kind switch
    {
        MigrationUriKind.Local or MigrationUriKind.Unix => true,
        MigrationUriKind.Tcp => IsLocalhost || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address)),
        _ => false,
    };

    /// <summary>Whether the host is the name that always means this machine, whatever a name server says (RFC 6761).</summary>
    internal bool IsLocalhost => Host.Equals("localhost", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads an address. Throws <see cref="MigrationErrorId.InvalidUri"/>.</summary>
    public static MigrationUri Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var scheme = (colon < 0 ? text : text[..colon]).ToUpperInvariant();
        var rest = colon < 0 ? "" : text[(colon + 1)..];
        return scheme switch
        {
            "LOCAL" => new MigrationUri { Kind = MigrationUriKind.Local, Name = CheckName(text, rest.Length == 0 ? DefaultName : rest) },
            "TCP" => ParseTcp(text, rest),
            "UNIX" => new MigrationUri { Kind = MigrationUriKind.Unix, Path = CheckUnixPath(text, rest) },
            "FILE" => ParseFile(text, rest),
            "EXEC" => new MigrationUri { Kind = MigrationUriKind.Exec, Path = CheckPath(text, rest, "command") },
            _ => throw Invalid(text, "it starts with none of local, tcp:, unix:, file: and exec:"
                + (text.Contains('/', StringComparison.Ordinal) ? $"; a socket in the file system is unix:{text}" : "")),
        };
    }

    /// <summary>The address of a file whose path may hold anything, an offset's mark too. Throws <see cref="MigrationErrorId.InvalidUri"/>.</summary>
    public static MigrationUri ForFile(string path, long offset = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return new MigrationUri { Kind = MigrationUriKind.File, Path = CheckPath($"file:{path}", path, "path"), Offset = offset };
    }

    /// <summary>The same command in a folder, from which its paths count.</summary>
    public MigrationUri InFolder(string folder)
    {
        if (Kind != MigrationUriKind.Exec) throw new InvalidOperationException($"{this} is no command.");
        return this with { Folder = folder };
    }

    /// <summary>The same host with another port, 0 to 65535.</summary>
    public MigrationUri WithPort(int port)
    {
        if (Kind != MigrationUriKind.Tcp) throw new InvalidOperationException($"{this} has no port.");
        ArgumentOutOfRangeException.ThrowIfNegative(port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, IPEndPoint.MaxPort);
        return this with { Port = port };
    }

    /// <summary>The address in the notation that <see cref="Parse"/> reads.</summary>
    public override string ToString() => Kind switch
    {
        MigrationUriKind.Local => Name == DefaultName ? "local" : $"local:{Name}",
        MigrationUriKind.Tcp => Host.Contains(':', StringComparison.Ordinal) ? $"tcp:[{Host}]:{Port}" : $"tcp:{Host}:{Port}",
        MigrationUriKind.Unix => $"unix:{Path}",
        MigrationUriKind.File => Offset == 0 ? $"file:{Path}" : string.Create(CultureInfo.InvariantCulture, $"file:{Path}{OffsetMark}{Offset}"),
        MigrationUriKind.Unknown => "(unknown)",
        _ => $"exec:{Path}",
    };

    // As in QEMU (file_parse_offset) the first mark ends the path.
    static MigrationUri ParseFile(string text, string rest)
    {
        var mark = rest.IndexOf(OffsetMark, StringComparison.Ordinal);
        var path = CheckPath(text, mark < 0 ? rest : rest[..mark], "path");
        var offset = mark < 0 ? 0 : ParseOffset(text, rest[(mark + OffsetMark.Length)..]);
        return new MigrationUri { Kind = MigrationUriKind.File, Path = path, Offset = offset };
    }

    static long ParseOffset(string text, string number)
    {
        // Every shift keeps the sum below 2^63.
        var shift = number.Length == 0 ? 0 : char.ToUpperInvariant(number[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        var digits = shift == 0 ? number : number[..^1];
        var isHex = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return long.TryParse(isHex ? digits[2..] : digits, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            && value >= 0 && value <= long.MaxValue >> (shift + 1)
            ? value << shift
            : throw Invalid(text, "an offset is a number of bytes, such as 0, 0x1000 or 1M");
    }

    static MigrationUri ParseTcp(string text, string rest)
    {
        var colon = rest.LastIndexOf(':');
        if (colon < 0) throw Invalid(text, "a TCP address is tcp:HOST:PORT");
        var host = rest[..colon];
        if (!int.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port > IPEndPoint.MaxPort)
            throw Invalid(text, $"a port is a number from 0 to {IPEndPoint.MaxPort}");
        return new MigrationUri { Kind = MigrationUriKind.Tcp, Host = CheckHost(text, host), Port = port };
    }

    static string CheckHost(string text, string host)
    {
        if (host.Length == 0) throw Invalid(text, "the host is missing; name the address to use, for example 127.0.0.1");
        if (host[0] == '[')
            return host[^1] == ']' && IPAddress.TryParse(host[1..^1], out var v6) && v6.AddressFamily == AddressFamily.InterNetworkV6
                ? v6.ToString()
                : throw Invalid(text, "what stands in brackets is no IPv6 address");
        if (host.Contains(':', StringComparison.Ordinal)) throw Invalid(text, "an IPv6 address needs brackets, as in tcp:[::1]:4444");
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown) throw Invalid(text, "the host is no name and no address");
        return host;
    }

    static string CheckName(string text, string name) =>
        name.Length <= MaxName && name.Trim().Length > 0 && !name.Any(c => char.IsControl(c) || c is '*' or '?' or '[' or ']' or '`')
            ? name
            : throw Invalid(text, $"the name of a host has 1 to {MaxName} characters, and neither control characters nor wildcards");

    static string CheckUnixPath(string text, string path) =>
        Encoding.UTF8.GetByteCount(CheckPath(text, path, "path")) <= MaxUnixPath
            ? path
            : throw Invalid(text, $"the path of a unix socket has at most {MaxUnixPath} bytes");

    static string CheckPath(string text, string path, string what) =>
        path.Trim().Length > 0 && !path.Contains('\0', StringComparison.Ordinal) ? path : throw Invalid(text, $"the {what} is missing");

    static MigrationException Invalid(string text, string reason) =>
        new(MigrationErrorId.InvalidUri, MigrationSide.User, $"'{text}' is not a migration address: {reason}.");
}
