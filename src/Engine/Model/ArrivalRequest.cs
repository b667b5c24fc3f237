namespace PsMigrate.Engine.Model;

/// <summary>A guest that wants to come to a receiver, before any of its pages does. All but the peer and the TLS subject is what its source says. Immutable.</summary>
public sealed record ArrivalRequest
{
    /// <summary>The name that it will have here. The machine of a QEMU gets one from the receiver, such as incoming-1.</summary>
    public required string Name { get; init; }

    /// <summary>Its uuid; null where the stream tells none.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>RAM, bytes.</summary>
    public required long MemorySize { get; init; }

    /// <summary>vCPUs; null for the machine of a QEMU, whose stream does not tell.</summary>
    public int? ProcessorCount { get; init; }

    /// <summary>QEMU's machine type, such as pc-i440fx-7.2; none for guests of our own.</summary>
    public required string MachineType { get; init; }

    /// <summary>Where it comes from, by the operating system: tcp:ADDRESS:PORT, or the path of the unix socket.</summary>
    public required string Peer { get; init; }

    /// <summary>The subject of the source's certificate, which was verified, such as CN=web1,O=Example; null without TLS.</summary>
    public string? TlsSubject { get; init; }

    /// <summary>Multifd channels; null where that is not known yet.</summary>
    public int? Channels { get; init; }
}
