namespace PsMigrate.Engine.Model;

/// <summary>
/// TLS of a guest that its QEMU sends: each QEMU has credentials already, or is told to make them of a directory (object-add
/// <c>tls-creds-x509</c>). At the source for the client's end, at the destination, where its QMP is known, for the server's.
/// </summary>
public sealed record QemuTlsOptions
{
    /// <summary>The id of an object that the source's QEMU has (QEMU's <c>tls-creds</c>); null with a directory.</summary>
    public string? Credentials { get; init; }

    /// <summary>The same of the destination's; null is that of the source, or the directory.</summary>
    public string? DestinationCredentials { get; init; }

    /// <summary>
    /// Path, on the machines of the QEMUs, of certificates in QEMU's layout, of which objects are made that are removed afterwards; null
    /// with the id of one that is there.
    /// </summary>
    public string? Directory { get; init; }

    /// <summary>The name that the destination's certificate must be for (QEMU's <c>tls-hostname</c>); null is the host of the address.</summary>
    public string? HostName { get; init; }

    /// <summary>
    /// The id of an object of the destination's QEMU that says which sources may come (QEMU's <c>tls-authz</c>); null is all that an
    /// authority has signed for.
    /// </summary>
    public string? Authorization { get; init; }

    /// <summary>Throws InvalidParameter.</summary>
    /// <param name="hasDestination">Whether the destination's QEMU can be told anything.</param>
    internal void Validate(bool hasDestination)
    {
        if (Directory is null == Credentials is null)
            throw MigrationException.Invalid("TLS of a guest of a QEMU needs either the id of credentials that its QEMU has, or a directory of certificates.");
        if (!hasDestination && (DestinationCredentials ?? Authorization) is not null)
            throw MigrationException.Invalid("What the destination's QEMU uses for TLS can be set only where its QMP is known: give -DestinationQmp too.");
    }
}
