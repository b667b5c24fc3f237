using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Source;

/// <summary>Compression of what goes through channels: an encoder for each.</summary>
sealed partial class OutgoingMigration
{
    // QEMU's multifd-zlib-level and multifd-zstd-level.
    const int DefaultLevel = 1;

    // Replaced as a whole: any thread may look through it.
    volatile ChannelEncoder[] _encoders = [];

    /// <summary>Null without compression.</summary>
    CompressionFigures? Compression => _encoders is { Length: > 0 } encoders
        ? encoders.Select(encoder => encoder.Figures).Aggregate((a, b) =>
            new(a.Pages + b.Pages, a.CompressedSize + b.CompressedSize, a.PlainPages + b.PlainPages))
        : null;

    /// <summary>Makes one channel's encoder after the other; null sends pages as they are.</summary>
    Func<IPacketEncoder>? Encoders(ChannelPlan plan) => _parameters.Compression == MigrationCompression.None ? null : () =>
    {
        var number = _encoders.Length;
        var mixesPlain = plan.Peer == PeerKind.PsMigrate;
        var encoder = new ChannelEncoder(
            NewEncoder(), _parameters.Means, mixesPlain, () => plan.ShareOf(BandwidthLimit),
            (compresses, reason) => DecideCompression(number, compresses, mixesPlain, reason));
        _encoders = [.. _encoders, encoder];
        return encoder;
    };

    /// <summary>Throws UnsupportedFeature when what it takes is not there.</summary>
    void CheckCompression()
    {
        if (_parameters.Compression == MigrationCompression.Zstd) _ = ZstdLibrary.Instance;
    }

    IStoringEncoder NewEncoder()
    {
        var level = _parameters.CompressionLevel ?? DefaultLevel;
        return _parameters.Compression == MigrationCompression.Zlib ? new ZlibEncoder(level) : new ZstdEncoder(level);
    }

    /// <summary>On the channel's thread.</summary>
    void DecideCompression(int channel, bool compresses, bool mixesPlain, string reason)
    {
        var packed = $"{_parameters.Compression}";
        var plain = mixesPlain ? "none" : $"{packed} blocks that are stored as they are";
        Decide($"Compression of channel {channel}", compresses ? plain : packed, compresses ? packed : plain, reason);
    }
}
