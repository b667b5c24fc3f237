using System.IO.Enumeration;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Judges the other end's certificate (qcrypto_tls_session_check_certificate of QEMU). Thread-safe.</summary>
/// <param name="options">Whom to trust.</param>
/// <param name="isServer">Whether for the end that listens.</param>
sealed class TlsTrust(TlsOptions options, bool isServer)
{
    const int LongestSubject = 200;
    const string ServerPurpose = "1.3.6.1.5.5.7.3.1";
    const string ClientPurpose = "1.3.6.1.5.5.7.3.2";

    readonly RevocationList[] _revoked = [.. options.RevocationLists.Select(der => new RevocationList(der))];

    /// <summary>How chains are built: to the given authorities alone, and without asking anybody.</summary>
    public X509ChainPolicy Policy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(new Oid(isServer ? ClientPurpose : ServerPurpose));
        foreach (var authority in options.Trusted) policy.CustomTrustStore.Add(authority);
        return policy;
    }

    /// <summary>Why the other end is not let in; null where it is.</summary>
    /// <param name="certificate">What it showed.</param>
    /// <param name="chain">By <see cref="Policy"/>.</param>
    /// <param name="errors">What the framework found.</param>
    /// <param name="host">The name that it must be for; null for any.</param>
    public MigrationException? Judge(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, string? host)
    {
        if (certificate is null || chain is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable)) return Rejected("shows no certificate");
        var who = $"shows the certificate '{Text(certificate)}', and";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)) return Rejected($"{who} {Why(chain)}");
        var now = WallClock.Provider.GetUtcNow();
        foreach (var link in chain.ChainElements)
            foreach (var list in _revoked)
                if (list.Objection(link.Certificate, now) is { } objection)
                    return Rejected($"{who} {(link.Certificate.Equals(certificate) ? "" : $"of '{Text(link.Certificate)}' above it, ")}{objection}");
        if (host is not null && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return Rejected($"{who} that is not for the host '{host}'");
        if (!IsAuthorized(certificate)) return Rejected($"{who} that subject is not authorised");
        return null;
    }

    /// <summary>A subject as patterns have it: "CN=a, O=b" is how the framework writes it, "CN=a,O=b" how the others do.</summary>
    public static string Plain(string subject) => subject.Replace(", ", ",", StringComparison.Ordinal);

    /// <summary>CertificateRejected, of the other end.</summary>
    public MigrationException Rejected(string why) => isServer
        ? new(MigrationErrorId.CertificateRejected, MigrationSide.Source, $"The source {why}.")
        : new(MigrationErrorId.CertificateRejected, MigrationSide.Destination, $"The destination {why}.");

    bool IsAuthorized(X509Certificate2 certificate)
    {
        var subject = Plain(certificate.SubjectName.Name);
        return options.AuthorizedSubject.Any(pattern => FileSystemName.MatchesSimpleExpression(Plain(pattern), subject, ignoreCase: false));
    }

    // Anybody can show a certificate with anything in it, be it to somebody's terminal.
    static string Text(X509Certificate2 certificate) =>
        string.Concat(certificate.Subject.Take(LongestSubject).Select(one => char.IsControl(one) ? '?' : one));

    static string Why(X509Chain chain)
    {
        var status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
        return status switch
        {
            _ when status.HasFlag(X509ChainStatusFlags.NotTimeValid) => "that has expired, or is not valid yet",
            _ when (status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0 => "no authority that is trusted here has signed for it",
            _ when status.HasFlag(X509ChainStatusFlags.NotValidForUsage) => "that is not for this purpose",
            _ => $"that does not hold: {status}",
        };
    }
}
