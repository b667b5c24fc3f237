using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>In what two ends of multifd must agree without a word about it; where they don't, both wait for ever or zero pages are lost.</summary>
/// <param name="MarksSections">
/// Whether the mark in the main stream is every EOS (multifd-flush-after-each-section of QEMU); else it is MULTIFD_FLUSH.
/// </param>
/// <param name="HasZeroPages">Whether packets name zero pages; else they go through the main stream.</param>
readonly record struct MultifdDialect(bool MarksSections, bool HasZeroPages)
{
    static readonly Version FlushSince = new(8, 1);
    static readonly Version ZeroPagesSince = new(9, 0);

    /// <summary>Of our own ends.</summary>
    public static MultifdDialect Ours => new(MarksSections: false, HasZeroPages: true);

    /// <summary>
    /// Of a QEMU, by its release and by the release of its machine type: an old machine type has the old behaviour. One without a release,
    /// such as <c>none</c>, has the binary's. Throws PeerVersionUnknown for a machine type of a distributor's, whose behaviour its name
    /// does not tell.
    /// </summary>
    public static MultifdDialect Of(Version release, string machine)
    {
        if (release < FlushSince) return new(MarksSections: true, HasZeroPages: false);
        var oldest = MachineRelease(machine, "-Channels") is { } old && old < release ? old : release;
        return new(oldest < FlushSince, oldest >= ZeroPagesSince);
    }

    /// <summary>Null where its name tells none, such as <c>none</c>. Throws PeerVersionUnknown.</summary>
    /// <param name="machine">The machine type.</param>
    /// <param name="without">The parameter that asks for it.</param>
    public static Version? MachineRelease(string machine, string without)
    {
        var dash = machine.LastIndexOf('-');
        if (dash < 0) return null;
        if (Version.TryParse(machine[(dash + 1)..], out var release)) return release;
        throw new MigrationException(MigrationErrorId.PeerVersionUnknown, MigrationSide.User,
            $"The machine type '{Printable.Text(machine)}' names no release of QEMU, and how channels work with it depends on that: migrate without {without}.");
    }
}
