using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Compresses the pages of one channel's packets, in one stream that runs on through all of them and is flushed at the end of each.
/// One thread.
/// </summary>
interface IPacketEncoder : IDisposable
{
    /// <summary>What the flags of each packet with pages say.</summary>
    MultifdMethod Method { get; }

    /// <summary>
    /// The data of one packet, valid until the next call. A page that changes meanwhile comes out as it was at some moment, or torn:
    /// it is dirty then and goes again.
    /// </summary>
    /// <param name="block">Whose pages.</param>
    /// <param name="offsets">Where they lie in it, bytes; at most <see cref="MultifdPacket.MaxPages"/>.</param>
    ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets);
}
