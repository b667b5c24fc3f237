using System.Security.Cryptography.X509Certificates;

namespace PsMigrate.Engine.Model;

/// <summary>
/// Who this end is to the other one, and whom it lets be there (QEMU's <c>tls-creds-x509</c> with <c>verify-peer=yes</c>). Both ends have
/// to prove who they are; there is no way to do without.
/// </summary>
public sealed record TlsOptions
{
    /// <summary>As <see cref="HostName"/>: whatever a trusted authority has signed will do.</summary>
    public const string AnyHost = "*";

    /// <summary>What this end shows. It has its private key.</summary>
    public required X509Certificate2 Certificate { get; init; }

    /// <summary>What lies between it and an authority that the other end trusts; sent along.</summary>
    public IReadOnlyList<X509Certificate2> Intermediates { get; init; } = [];

    /// <summary>The authorities, one of which must have signed for the other end. The system's own count for nothing here.</summary>
    public required IReadOnlyList<X509Certificate2> Trusted { get; init; }

    /// <summary>Certificates that were taken back: lists in DER. One that is out of date refuses all that its authority has signed.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> RevocationLists { get; init; } = [];

    /// <summary>
    /// The name that the destination's certificate must be for (QEMU's <c>tls-hostname</c>); null is the host of the address, which a unix socket has
    /// none of, so that it needs a name, or <see cref="AuthorizedSubject"/>. <see cref="AnyHost"/> asks for none. For the connecting end only.
    /// </summary>
    public string? HostName { get; init; }

    /// <summary>
    /// Distinguished names, with the wildcards <c>*</c> and <c>?</c>, one of which the other end's must match (QEMU's <c>tls-authz</c>), such
    /// as <c>CN=web*,O=Example</c>. Blanks behind commas count for nothing.
    /// </summary>
    public IReadOnlyList<string> AuthorizedSubject { get; init; } = ["*"];

    /// <summary>Throws InvalidParameter.</summary>
    public TlsOptions Validate()
    {
        if (!Certificate.HasPrivateKey) throw MigrationException.Invalid($"The certificate {Certificate.Subject} comes without its private key.");
        if (Trusted.Count == 0) throw MigrationException.Invalid("TLS needs at least one authority that is trusted.");
        if (AuthorizedSubject.Count == 0) throw MigrationException.Invalid("AuthorizedSubject is empty, so that nobody may come; leave it out to let in all whom an authority has signed for.");
        return this;
    }
}
