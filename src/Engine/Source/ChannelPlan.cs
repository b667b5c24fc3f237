using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>How the channels of one migration speak; settled before anything is connected.</summary>
/// <param name="Count">How many.</param>
/// <param name="Peer">What is at the destination.</param>
/// <param name="Uuid">What their init packets say.</param>
/// <param name="Dialect">What the destination expects.</param>
sealed record ChannelPlan(int Count, PeerKind Peer, Guid Uuid, MultifdDialect Dialect)
{
    // The subsection of CONFIGURATION with the guest's uuid, 16 bytes (capability validate-uuid).
    const string UuidSection = "configuration/uuid";

    /// <summary>To a receiver of ours, which knows a guest of ours by its uuid, and one of a QEMU's by what the stream says of it.</summary>
    public static ChannelPlan ForOurs(MigrationParameters asked, MemoryGuest guest) =>
        new(asked.Channels, PeerKind.PsMigrate, guest.Machine is null ? guest.Uuid : UuidOf(guest), MultifdDialect.Ours);

    /// <summary>To a QEMU, which takes only channels of the uuid that it was started with. Throws PeerVersionUnknown.</summary>
    /// <param name="asked">What the user asks for.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="release">The QEMU's release.</param>
    /// <param name="uuid">Its uuid, zero for none; null where it can't be asked, and the guest's own is taken if the stream has it.</param>
    public static ChannelPlan ForQemu(MigrationParameters asked, MemoryGuest guest, Version release, Guid? uuid) => new(
        asked.Channels, PeerKind.Qemu, uuid ?? UuidOf(guest),
        MultifdDialect.Of(release, guest.Machine?.Name ?? StreamConstants.MachineNone));

    /// <summary>What one channel may send of a bandwidth, bytes/s; 0, and only 0, is no limit.</summary>
    public long ShareOf(long bandwidth) => bandwidth == 0 ? 0 : Math.Max(1, bandwidth / Count);

    static Guid UuidOf(MemoryGuest guest) =>
        guest.Machine?.Configuration.FirstOrDefault(one => one.Name == UuidSection)?.Body is { Length: 16 } uuid
            ? new Guid(uuid, bigEndian: true)
            : Guid.Empty;
}
