using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Compresses the pages of one channel's packets, in one stream that runs on through all of them and is flushed at the end of each.
/// One thread.
/// </summary>
interface IPacketEncoder : IDisposable
{
    /// <summary>What the flags of each packet with compressed pages say.</summary>
    MultifdMethod Method { get; }

    /// <summary>
    /// The data of one packet, valid until the next call; empty when these pages are to go as they are, in a packet of method None,
    /// which only a receiver of ours takes between the others. A page that changes meanwhile comes out as it was at some moment, or
    /// torn: it is dirty then and goes again.
    /// </summary>
    /// <param name="block">Whose pages.</param>
    /// <param name="offsets">Where they lie in it, bytes; at most <see cref="MultifdPacket.MaxPages"/>.</param>
    ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets);

    /// <summary>The link took the packet of the last call: how long that lasted, waiting for a limit of bandwidth included.</summary>
    void Sent(TimeSpan duration)
    {
    }
}

/// <summary>An encoder that can also do next to nothing, for receivers that want its method in each packet (QEMU).</summary>
interface IStoringEncoder : IPacketEncoder
{
    /// <summary>Like <see cref="IPacketEncoder.Encode"/>, at the speed of a copy and without gain. A packet or two before, a stream may have to be ended.</summary>
    ReadOnlyMemory<byte> Store(RamBlock block, ReadOnlySpan<long> offsets);
}
