using System.Management.Automation;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>From the parameters of a cmdlet to whom this end is in TLS, and whom it trusts. Throws InvalidParameter, FileFailed.</summary>
/// <param name="Paths">Where relative paths count from.</param>
/// <param name="IsServer">Whether for the end that listens.</param>
sealed record TlsArguments(PathIntrinsics Paths, bool IsServer)
{
    /// <summary>-Tls, if it was given.</summary>
    public bool? Tls { get; init; }

    public string? Directory { get; init; }

    /// <summary>A certificate or a path.</summary>
    public object? Certificate { get; init; }

    public string? Key { get; init; }

    /// <summary>Certificates and paths.</summary>
    public object[] Trusted { get; init; } = [];

    public string[] RevocationList { get; init; } = [];

    public string? HostName { get; init; }

    public string[] AuthorizedSubject { get; init; } = [];

    /// <summary>Null where none of them was given.</summary>
    public TlsOptions? Read()
    {
        var isAny = Directory is not null || Certificate is not null || Key is not null || Trusted.Length > 0 || RevocationList.Length > 0
            || HostName is not null || AuthorizedSubject.Length > 0;
        if (Tls == false && isAny) throw Invalid("-Tls:$false and certificates contradict each other.");
        if (Tls != true && !isAny) return null;
        var options = Directory is not null ? FromDirectory() : FromParts();
        if (HostName is not null) options = options with { HostName = HostName };
        return (AuthorizedSubject.Length > 0 ? options with { AuthorizedSubject = AuthorizedSubject } : options).Validate();
    }

    TlsOptions FromDirectory()
    {
        if (Certificate is not null || Key is not null || Trusted.Length > 0)
            throw Invalid("-TlsDirectory has certificate, key and authorities: leave out -Certificate, -CertificateKey and -TrustedCertificate.");
        var options = TlsFiles.FromDirectory(FileLookup.Unresolved(Paths, Directory!), IsServer);
        return options with { RevocationLists = [.. options.RevocationLists, .. Revoked()] };
    }

    TlsOptions FromParts()
    {
        if (Certificate is null || Trusted.Length == 0)
            throw Invalid("TLS needs a certificate and authorities that are trusted: -TlsDirectory, or -Certificate and -TrustedCertificate.");
        var (own, between) = Bare(Certificate) is X509Certificate2 given
            ? (given, Array.Empty<X509Certificate2>())
            : TlsFiles.ReadOwn(Path(Certificate), Key is null ? null : FileLookup.Unresolved(Paths, Key));
        return new TlsOptions
        {
            Certificate = own, Intermediates = between, RevocationLists = Revoked(),
            Trusted = [.. Trusted.SelectMany(one => Bare(one) is X509Certificate2 authority ? [authority] : TlsFiles.ReadTrusted(Path(one)))],
        };
    }

    ReadOnlyMemory<byte>[] Revoked() => [.. RevocationList.SelectMany(path => TlsFiles.ReadRevoked(FileLookup.Unresolved(Paths, path)))];

    string Path(object given) => FileLookup.Unresolved(Paths, Bare(given) is FileSystemInfo file ? file.FullName : $"{given}");

    static MigrationException Invalid(string message) => new(MigrationErrorId.InvalidParameter, MigrationSide.User, message);

    static object Bare(object given) => given is PSObject wrapped ? wrapped.BaseObject : given;
}
