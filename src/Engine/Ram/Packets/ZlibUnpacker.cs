using System.IO.Compression;

namespace PsMigrate.Engine.Ram;

/// <summary>A zlib stream.</summary>
sealed class ZlibUnpacker(PacketStream packet) : IPacketUnpacker
{
    readonly ZLibStream _stream = new(packet, CompressionMode.Decompress);

    public int Unpack(Span<byte> destination) => _stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);

    public void Dispose() => _stream.Dispose();
}
