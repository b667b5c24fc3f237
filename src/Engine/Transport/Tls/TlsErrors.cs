using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>The typed errors of TLS, in one wording.</summary>
static class TlsErrors
{
    /// <summary>
    /// What the framework threw, typed: what the link below failed of; CertificateRejected where the other end said that it does not accept
    /// this one's certificate; else TlsFailed.
    /// </summary>
    public static MigrationException From(Exception e, string peer, bool isServer)
    {
        var innermost = e;
        for (var at = e; at is not null; at = at.InnerException)
        {
            if (at is MigrationException typed) return typed;
            if (at is ObjectDisposedException) return LinkErrors.ClosedHere(peer, e);
            innermost = at;
        }
        return IsAboutCertificate(innermost.Message)
            ? new(MigrationErrorId.CertificateRejected, isServer ? MigrationSide.Source : MigrationSide.Destination,
                $"{peer} does not accept the certificate of this end: {innermost.Message}", e)
            : Failed(peer, innermost.Message, e);
    }

    /// <summary>TlsFailed.</summary>
    public static MigrationException Failed(string peer, string why, Exception? inner = null) =>
        new(MigrationErrorId.TlsFailed, MigrationSide.Link, $"TLS with {peer} failed: {why}", inner);

    /// <summary>TlsNotSpoken, by a destination.</summary>
    public static MigrationException NotSpoken(string peer, string how, Exception? inner = null) =>
        new(MigrationErrorId.TlsNotSpoken, MigrationSide.Destination, $"{peer} seems not to speak TLS: {how}", inner);

    /// <summary>TlsRequired, of a source.</summary>
    public static MigrationException Required() =>
        new(MigrationErrorId.TlsRequired, MigrationSide.Source, "The receiver takes guests by TLS only, and the source came without.");

    // The alerts of RFC 8446 that are about a certificate, in the words of OpenSSL, and of Windows.
    static bool IsAboutCertificate(string text) =>
        text.Contains("alert", StringComparison.OrdinalIgnoreCase)
        && (text.Contains("certificate", StringComparison.OrdinalIgnoreCase) || text.Contains("unknown ca", StringComparison.OrdinalIgnoreCase)
            || text.Contains("access denied", StringComparison.OrdinalIgnoreCase));
}
