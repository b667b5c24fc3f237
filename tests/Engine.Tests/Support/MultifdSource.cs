using System.IO.Compression;
using System.IO.Pipelines;
using System.Text;
using PsMigrate.Engine.Protocol;
using ZstdSharp;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Writes a multifd channel as a QEMU does, or as no QEMU would.</summary>
sealed class MultifdSource(PipeWriter pipe, MultifdMethod method = MultifdMethod.None)
{
    readonly MemoryStream _packed = new();
    Stream? _compressor;

    public WireWriter Wire { get; } = new(pipe);

    public MultifdSource Init(byte channel, Guid uuid = default)
    {
        Wire.UInt32(MultifdInit.Magic);
        Wire.UInt32(MultifdInit.Version);
        Wire.Bytes(uuid.ToByteArray(bigEndian: true));
        Wire.Byte(channel);
        Wire.Bytes(new byte[39]);
        Wire.Flush();
        return this;
    }

    public MultifdSource Sync(uint staleSize = 0) => Packet([], [], MultifdFlags.Sync, staleSize);

    /// <summary>Pages with their content; with <paramref name="flags"/> SYNC as well.</summary>
    public MultifdSource Pages((long Offset, byte[] Bytes)[] normal, long[]? zero = null, uint flags = 0, string block = "ram")
    {
        var data = Pack([.. normal.SelectMany(page => page.Bytes)]);
        Header([.. normal.Select(page => (ulong)page.Offset)], [.. (zero ?? []).Select(offset => (ulong)offset)], flags | (uint)method, (uint)data.Length, block);
        Wire.Bytes(data);
        Wire.Flush();
        return this;
    }

    /// <summary>A header alone.</summary>
    public MultifdSource Packet(ulong[] normal, ulong[] zero, uint flags, uint size, string block = "ram")
    {
        Header(normal, zero, flags, size, block);
        Wire.Flush();
        return this;
    }

    /// <summary>What the pages become in the channel's compressed stream, ended with a flush.</summary>
    public byte[] Pack(byte[] pages)
    {
        if (method == MultifdMethod.None || pages.Length == 0) return pages;
        _compressor ??= method == MultifdMethod.Zlib ? new ZLibStream(_packed, CompressionLevel.Fastest) : new CompressionStream(_packed);
        _compressor.Write(pages);
        _compressor.Flush();
        var bytes = _packed.ToArray();
        _packed.SetLength(0);
        return bytes;
    }

    void Header(ulong[] normal, ulong[] zero, uint flags, uint size, string block)
    {
        Wire.UInt32(MultifdInit.Magic);
        Wire.UInt32(MultifdInit.Version);
        Wire.UInt32(flags);
        Wire.UInt32(MultifdPacket.MaxPages);
        Wire.UInt32((uint)normal.Length);
        Wire.UInt32(size);
        Wire.UInt64(0);
        Wire.UInt32((uint)zero.Length);
        Wire.Bytes(new byte[28]);
        var name = new byte[256];
        Encoding.UTF8.GetBytes(block).CopyTo(name, 0);
        Wire.Bytes(name);
        ulong[] offsets = [.. normal, .. zero];
        for (var i = 0; i < MultifdPacket.MaxPages; i++) Wire.UInt64(i < offsets.Length ? offsets[i] : 0);
    }
}
