using System.IO.Compression;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Unpacks the pages of one channel's packets. The compressed stream runs on through all packets, and each packet ends with a flush,
/// so that its pages come out of it and nothing else does. One thread.
/// </summary>
sealed class PacketInflater : IDisposable
{
    readonly WireReader _reader;
    readonly PacketStream _packet;
    readonly Stream _unpacked;
    readonly byte[] _page = new byte[GuestMemory.PageSize];

    /// <summary>
    /// The data of the first packet comes next. Throws UnsupportedFeature for a method that is not known here, and what
    /// <paramref name="hold"/> throws.
    /// </summary>
    /// <param name="reader">The channel.</param>
    /// <param name="method">Of the packet.</param>
    /// <param name="size">Bytes of its data.</param>
    /// <param name="hold">Counts the memory that unpacking takes.</param>
    public PacketInflater(WireReader reader, MultifdMethod method, int size, Action<long> hold)
    {
        _reader = reader;
        Method = method;
        _packet = new PacketStream(reader);
        _unpacked = method switch
        {
            MultifdMethod.Zlib => new ZLibStream(_packet, CompressionMode.Decompress),
            MultifdMethod.Zstd => Zstd(_packet, ZstdWindow.BitsOf(reader, size), hold),
            _ => throw reader.Error(MigrationErrorId.UnsupportedFeature, $"Multifd compression {method} is not supported by this receiver."),
        };
    }

    /// <summary>Of all packets with pages: a stream can't change in the middle.</summary>
    public MultifdMethod Method { get; }

    /// <summary>A packet begins, with so many bytes.</summary>
    public void Begin(int size) => _packet.Begin(size);

    /// <summary>The next page, until the next call. Throws InvalidValue, InvalidLength.</summary>
    public ReadOnlySpan<byte> NextPage()
    {
        if (Read(_page) < _page.Length)
            throw _reader.Error(MigrationErrorId.InvalidLength, "A multifd packet unpacks to less than its pages.");
        return _page;
    }

    /// <summary>All pages have been taken: reads what ends the packet. Throws InvalidLength when it holds more.</summary>
    public void End()
    {
        // Asking for more also takes the flush mark in; the next packet begins behind it.
        if (Read(_page.AsSpan(0, 1)) > 0 || _packet.Left > 0)
            throw _reader.Error(MigrationErrorId.InvalidLength, "A multifd packet unpacks to more than its pages.");
    }

    public void Dispose() => _unpacked.Dispose();

    static DecompressionStream Zstd(Stream packet, int windowBits, Action<long> hold)
    {
        hold(1L << windowBits);
        var decompressor = new Decompressor();
        // A later frame can't ask for more than the first, which was counted.
        decompressor.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, windowBits);
        return new DecompressionStream(packet, decompressor, checkEndOfStream: false, preserveDecompressor: false);
    }

    int Read(Span<byte> buffer)
    {
        try
        {
            return _unpacked.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException)
        {
            throw _reader.Error(MigrationErrorId.InvalidValue, $"A multifd packet can't be unpacked ({Method}): {e.Message}");
        }
    }
}
