using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Source;

/// <summary>
/// Compresses what one channel sends, and counts it. Where it is free to choose it leaves that off when it does not pay, by what packets
/// of either way cost on this link, and says so. Its channel's thread alone calls it, but for the figures.
/// </summary>
/// <param name="encoder">Does the work; this object's from here on.</param>
/// <param name="means">Qemu always compresses.</param>
/// <param name="mixesPlain">Whether the other end takes plain packets between the others; else they are stored in the encoder's format.</param>
/// <param name="limit">What the channel may send, bytes/s; 0 is no limit.</param>
/// <param name="changed">Told of each change, with whether packets are compressed from here on, and why.</param>
sealed class ChannelEncoder(
    IStoringEncoder encoder, MigrationMeans means, bool mixesPlain, Func<long> limit, Action<bool, string> changed) : IPacketEncoder
{
    readonly CompressionTrials? _trials = means == MigrationMeans.Adaptive ? new() : null;
    PacketCost _packet;
    long _pages;
    long _compressedSize;
    long _plainPages;

    public MultifdMethod Method => encoder.Method;

    /// <summary>Any thread may ask.</summary>
    public CompressionFigures Figures => new(Volatile.Read(ref _pages), Volatile.Read(ref _compressedSize), Volatile.Read(ref _plainPages));

    public ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets)
    {
        var since = Stopwatch.GetTimestamp();
        var size = (long)offsets.Length * GuestMemory.PageSize;
        if (_trials is { Compresses: false })
        {
            var stored = mixesPlain ? default : encoder.Store(block, offsets);
            Count(ref _plainPages, offsets.Length);
            _packet = new(size, mixesPlain ? size : stored.Length, Stopwatch.GetElapsedTime(since), default);
            return stored;
        }
        var packed = encoder.Encode(block, offsets);
        Count(ref _pages, offsets.Length);
        Count(ref _compressedSize, packed.Length);
        _packet = new(size, packed.Length, Stopwatch.GetElapsedTime(since), default);
        return packed;
    }

    public void Sent(TimeSpan duration)
    {
        var now = Stopwatch.GetElapsedTime(0);
        if (_trials?.Add(now, _packet with { Sending = duration }, limit()) is { } reason) changed(_trials.Compresses, reason);
    }

    public void Dispose() => encoder.Dispose();

    // One thread writes.
    static void Count(ref long figure, long more) => Volatile.Write(ref figure, figure + more);
}
