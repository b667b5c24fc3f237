using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Differences instead of pages, from the second pass on, or earlier where that is told (xbzrle of QEMU).</summary>
[SuppressMessage("Design", "CA1001", Justification = "Cleanup releases the cache.")]
sealed partial class RamSaver
{
    // The method, and the length of the difference.
    const int DifferenceHeader = 1 + 2;

    XbzrleSaver? _xbzrle;
    XbzrleSaver? _differences;
    bool _isResting;
    bool _isLastStage;

    /// <summary>The counters of differences; null when there are none to be, and before the setup.</summary>
    public XbzrleFigures? Xbzrle => _xbzrle?.Figures;

    /// <summary>Pages done with, however: sent whole, as zero, as a difference of either kind, or found unchanged.</summary>
    public long HandledPages => NormalPages + ZeroPages + SparsePages + (_xbzrle?.Pages ?? 0);

    /// <summary>Whether pages that go from here on are kept, and those that were kept go as differences.</summary>
    public bool UsesDifferences => _differences is not null;

    /// <inheritdoc cref="XbzrleSaver.Filled"/>
    public long FilledPages => _xbzrle?.Filled ?? 0;

    /// <summary>What differences took so far, sending left out.</summary>
    public TimeSpan DifferenceTime => _xbzrle?.Spent ?? TimeSpan.Zero;

    /// <summary>
    /// Keeps pages that go from here on, in the first pass too, and sends differences to what was kept. Throws MemoryExceeded; then
    /// nothing has changed.
    /// </summary>
    /// <param name="cacheSize">Bytes for them, a power of two of at least a page; more than the guest needs is not taken.</param>
    public void UseDifferences(long cacheSize)
    {
        var size = XbzrleCache.Fit(cacheSize, guest.Memory.Length);
        if (_xbzrle is null) _xbzrle = new XbzrleSaver(size);
        else _xbzrle.Wake(size);
        (_differences, _isResting) = (_xbzrle, false);
    }

    /// <summary>Sends no differences from here on, and forgets what was kept.</summary>
    public void RestDifferences()
    {
        (_differences, _isResting) = (null, true);
        _xbzrle?.Rest();
    }

    /// <summary>Gives the cache another size; what fits is kept. Throws MemoryExceeded; then nothing has changed.</summary>
    public void ResizeCache(long size) => _xbzrle?.Resize(XbzrleCache.Fit(size, guest.Memory.Length));

    /// <summary>Unless it is told otherwise, the cache is of no use, and not filled, before all pages went once (xbzrle_started).</summary>
    void EndRound()
    {
        if (!_isResting) _differences = _xbzrle;
    }

    /// <summary>What goes again is worth more than what went once.</summary>
    int CacheGeneration => SyncCount == 1 ? XbzrleCache.FirstPass : SyncCount + XbzrleCache.Lifetime;

    /// <summary>True when the page needs no record of its own any more; else <paramref name="bytes"/> is what is to be sent.</summary>
    bool TrySaveDifference(WireWriter writer, Part part, long page, ref ReadOnlySpan<byte> bytes)
    {
        var outcome = _differences!.Save(part.AddressOf(page), CacheGeneration, _isLastStage, ref bytes, out var encoded);
        if (outcome != XbzrleOutcome.Difference) return outcome == XbzrleOutcome.Nothing;
        var record = writer.Pipe.GetSpan(MaxRecord + DifferenceHeader);
        var length = WriteWord(record, part, page, RamFlags.Xbzrle);
        record[length] = Engine.Ram.Xbzrle.Method;
        BinaryPrimitives.WriteUInt16BigEndian(record[(length + 1)..], (ushort)encoded.Length);
        encoded.CopyTo(record[(length + DifferenceHeader)..]);
        length += DifferenceHeader + encoded.Length;
        writer.Advance(length);
        _differences.Sent(length - 8);
        return true;
    }

    /// <summary>
    /// Of zero pages that go the cache has to know, and only of these: what it has is what the destination has. Those of memory that was
    /// never written it can't have.
    /// </summary>
    void KeepZeros(Part part, ulong zeros)
    {
        if (_differences is null || !part.Block.IsTouched(_word)) return;
        for (; zeros != 0; zeros &= zeros - 1)
            _differences.SaveZero(part.AddressOf(((long)_word * 64) + BitOperations.TrailingZeroCount(zeros)), CacheGeneration, _isLastStage);
    }

    void ReleaseCache()
    {
        _differences = null;
        _xbzrle?.Dispose();
    }
}
