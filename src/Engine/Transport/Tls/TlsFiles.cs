using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// Certificates, keys and revocation lists from files: PEM, PFX without a password, or a directory as QEMU's <c>tls-creds-x509</c> has it.
/// </summary>
public static class TlsFiles
{
    const string Authorities = "ca-cert.pem";
    const string Revoked = "ca-crl.pem";

    /// <summary>
    /// A directory in QEMU's layout: ca-cert.pem, ca-crl.pem if it is there, and server-cert.pem with server-key.pem, or client-cert.pem
    /// with client-key.pem. Throws FileFailed, InvalidParameter.
    /// </summary>
    /// <param name="directory">Its path.</param>
    /// <param name="isServer">Whether for the end that listens.</param>
    public static TlsOptions FromDirectory(string directory, bool isServer)
    {
        var end = isServer ? "server" : "client";
        var (own, between) = ReadOwn(Path.Combine(directory, $"{end}-cert.pem"), Path.Combine(directory, $"{end}-key.pem"));
        var revoked = Path.Combine(directory, Revoked);
        return new TlsOptions
        {
            Certificate = own, Intermediates = between, Trusted = ReadTrusted(Path.Combine(directory, Authorities)),
            RevocationLists = File.Exists(revoked) ? ReadRevoked(revoked) : [],
        };
    }

    /// <summary>
    /// A certificate with its private key, and those between it and its authority, that follow it in the same file. Throws FileFailed,
    /// InvalidParameter.
    /// </summary>
    /// <param name="path">PEM, or PFX without a password.</param>
    /// <param name="keyPath">PEM; null where the key is in the same file.</param>
    public static (X509Certificate2 Own, IReadOnlyList<X509Certificate2> Between) ReadOwn(string path, string? keyPath = null)
    {
        var all = Read(path, () => IsPem(path) ? FromPem(path) : X509CertificateLoader.LoadPkcs12CollectionFromFile(path, null));
        if (keyPath is null && all.FirstOrDefault(one => one.HasPrivateKey) is { } whole) return (whole, [.. all.Where(one => one != whole)]);
        if (all.Count == 0) throw Unusable(path, "there is no certificate in it");
        var own = Read(keyPath ?? path, () => Usable(WithKey(all[0], File.ReadAllText(keyPath ?? path))));
        return (own, [.. all.Skip(1)]);
    }

    /// <summary>The certificates of authorities. Throws FileFailed, InvalidParameter.</summary>
    /// <param name="path">PEM with one or several, or DER with one.</param>
    public static IReadOnlyList<X509Certificate2> ReadTrusted(string path)
    {
        var all = Read(path, () => IsPem(path) ? FromPem(path) : [X509CertificateLoader.LoadCertificateFromFile(path)]);
        return all.Count > 0 ? [.. all] : throw Unusable(path, "there is no certificate in it");
    }

    /// <summary>Revocation lists. Throws FileFailed, InvalidParameter.</summary>
    /// <param name="path">PEM with one or several.</param>
    public static IReadOnlyList<ReadOnlyMemory<byte>> ReadRevoked(string path)
    {
        var lists = Read(path, () => FromPem(File.ReadAllText(path), "X509 CRL"));
        return lists.Count > 0 ? lists : throw Unusable(path, "there is no revocation list in it");
    }

    static X509Certificate2Collection FromPem(string path)
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(path);
        return all;
    }

    static List<ReadOnlyMemory<byte>> FromPem(string text, string label)
    {
        var found = new List<ReadOnlyMemory<byte>>();
        for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
        {
            if (!rest[fields.Label].SequenceEqual(label)) continue;
            var der = Convert.FromBase64String(rest[fields.Base64Data].ToString());
            // What can't be understood is said now, and not when somebody comes.
            _ = new RevocationList(der);
            found.Add(der);
        }
        return found;
    }

    static X509Certificate2 WithKey(X509Certificate2 certificate, string key)
    {
        // As certtool writes it too, with its own words before the key.
        switch (certificate.GetKeyAlgorithm())
        {
            case "1.2.840.113549.1.1.1":
                using (var rsa = RSA.Create())
                {
                    rsa.ImportFromPem(key);
                    return certificate.CopyWithPrivateKey(rsa);
                }
            case "1.2.840.10045.2.1":
                using (var elliptic = Elliptic(certificate, key))
                    return certificate.CopyWithPrivateKey(elliptic);
            default:
                throw new CryptographicException("its key is neither RSA nor ECDSA.");
        }
    }

    // certtool writes the number that the key is with a zero in front where its first bit is set, which RFC 5915 does not have and the
    // framework does not read.
    static ECDsa Elliptic(X509Certificate2 certificate, string key)
    {
        if (!TryFindPem(key, "EC PRIVATE KEY", out var der))
        {
            var whole = ECDsa.Create();
            whole.ImportFromPem(key);
            return whole;
        }
        using var shown = certificate.GetECDsaPublicKey()!;
        var known = shown.ExportParameters(includePrivateParameters: false);
        var fields = new AsnReader(der, AsnEncodingRules.BER).ReadSequence();
        fields.ReadInteger();
        var number = fields.ReadOctetString().AsSpan().TrimStart((byte)0);
        var length = known.Q.X!.Length;
        if (number.Length > length) throw new CryptographicException("the key is of another curve than the certificate.");
        var secret = new byte[length];
        number.CopyTo(secret.AsSpan(length - number.Length));
        return ECDsa.Create(new ECParameters { Curve = known.Curve, D = secret });
    }

    static bool TryFindPem(string text, string label, out byte[] der)
    {
        for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
        {
            if (!rest[fields.Label].SequenceEqual(label)) continue;
            der = Convert.FromBase64String(rest[fields.Base64Data].ToString());
            return true;
        }
        der = [];
        return false;
    }

    // Windows takes no key for TLS that is only in memory.
    static X509Certificate2 Usable(X509Certificate2 certificate) => OperatingSystem.IsWindows()
        ? X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null)
        : certificate;

    static bool IsPem(string path) => File.ReadAllText(path).Contains("-----BEGIN ", StringComparison.Ordinal);

    static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (OneWayErrors.IsFileError(e))
        {
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The file {path} can't be read: {e.Message}", e);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FormatException or AsnContentException)
        {
            throw Unusable(path, e.Message, e);
        }
    }

    static MigrationException Unusable(string path, string why, Exception? inner = null) =>
        new(MigrationErrorId.InvalidParameter, MigrationSide.User, $"The file {path} can't be used for TLS: {why}", inner);
}
