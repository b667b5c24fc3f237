namespace PsMigrate.Engine.Ram;

/// <summary>The compressed stream of one channel, which runs on through its packets. One thread.</summary>
interface IPacketUnpacker : IDisposable
{
    /// <summary>
    /// Unpacks as many bytes as the destination holds, or as the packet gives: then fewer. Throws InvalidDataException for what is no
    /// such stream.
    /// </summary>
    int Unpack(Span<byte> destination);
}
