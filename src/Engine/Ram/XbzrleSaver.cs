using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Ram;

/// <summary>What is to be sent of a page.</summary>
enum XbzrleOutcome
{
    /// <summary>All of it.</summary>
    Whole,

    /// <summary>What has changed.</summary>
    Difference,

    /// <summary>Nothing: the destination has it.</summary>
    Nothing,
}

/// <summary>
/// Makes differences of pages that were sent before (save_xbzrle_page of QEMU), and counts. What is in the cache is what the destination
/// has: vCPUs may write while a page is looked at, so it is copied once, and the copy is encoded, sent and kept.
/// </summary>
sealed class XbzrleSaver(long cacheSize) : IDisposable
{
    static readonly byte[] ZeroPage = new byte[GuestMemory.PageSize];

    XbzrleCache? _cache = new(cacheSize);
    long _size = cacheSize;
    long _spent;
    long _filled;
    readonly byte[] _current = new byte[GuestMemory.PageSize];
    readonly byte[] _encoded = new byte[GuestMemory.PageSize];
    long _bytes;
    long _found;
    long _missed;
    long _overflows;
    double _missRate;
    double _encodingRate;
    (long Handled, long Bytes, long Found, long Missed) _period;

    /// <summary>Pages found in the cache that were not sent whole: as a difference, or not at all.</summary>
    public long Pages => _found - _overflows;

    public XbzrleFigures Figures => new(_size, _bytes, _found, _missed, _missRate, _encodingRate, _overflows);

    /// <summary>What <see cref="Save"/> took so far.</summary>
    public TimeSpan Spent => Stopwatch.GetElapsedTime(0, _spent);

    /// <summary>Pages that were not found since the cache was still being filled with them.</summary>
    public long Filled => _filled;

    /// <summary>Takes another size of cache, and keeps what fits. Throws MemoryExceeded; then nothing has changed.</summary>
    public void Resize(long size)
    {
        _cache?.Resize(size);
        _size = size;
    }

    /// <summary>
    /// Lets go of all copies, since from here on pages go that are not shown to <see cref="Save"/>: the destination will not have what
    /// was kept.
    /// </summary>
    public void Rest()
    {
        _cache?.Dispose();
        _cache = null;
    }

    /// <summary>Begins anew, with an empty cache. Throws MemoryExceeded; then it rests on.</summary>
    public void Wake(long size)
    {
        _cache ??= new XbzrleCache(size);
        Resize(size);
    }

    /// <summary>Decides how a page goes that is not zero. Not while it rests.</summary>
    /// <param name="address">Of the page, over all blocks.</param>
    /// <param name="generation">Rises with each pass; see <see cref="XbzrleCache.FirstPass"/>.</param>
    /// <param name="isLastStage">Whether the guest stands and each page goes for the last time: then nothing is kept.</param>
    /// <param name="page">The page; on return what is to be sent where it goes whole.</param>
    /// <param name="encoded">The difference, until the next call.</param>
    public XbzrleOutcome Save(
        long address, int generation, bool isLastStage, ref ReadOnlySpan<byte> page, out ReadOnlySpan<byte> encoded)
    {
        var start = Stopwatch.GetTimestamp();
        var outcome = Look(address, generation, isLastStage, ref page, out encoded);
        _spent += Stopwatch.GetTimestamp() - start;
        return outcome;
    }

    XbzrleOutcome Look(long address, int generation, bool isLastStage, ref ReadOnlySpan<byte> page, out ReadOnlySpan<byte> encoded)
    {
        encoded = default;
        var cached = _cache!.Find(address, generation);
        if (cached.IsEmpty)
        {
            _missed++;
            if (isLastStage) return XbzrleOutcome.Whole;
            var before = _cache.Filled;
            var copy = _cache.Insert(address, page, generation);
            _filled += _cache.Filled - before;
            if (!copy.IsEmpty) page = copy;
            return XbzrleOutcome.Whole;
        }
        _found++;
        page.CopyTo(_current);
        page = _current;
        var length = XbzrleEncoder.Encode(cached, _current, _encoded);
        if (length == 0) return XbzrleOutcome.Nothing;
        if (!isLastStage) _current.CopyTo(cached);
        if (length == XbzrleEncoder.Overflow)
        {
            _overflows++;
            _bytes += GuestMemory.PageSize;
            return XbzrleOutcome.Whole;
        }
        encoded = _encoded.AsSpan(0, length);
        return XbzrleOutcome.Difference;
    }

    /// <summary>A page goes as zero: a copy of what it was would be out of date (xbzrle_cache_zero_page).</summary>
    public void SaveZero(long address, int generation, bool isLastStage)
    {
        if (!isLastStage) _ = _cache!.Insert(address, ZeroPage, generation);
    }

    /// <summary>Counts a difference that was sent.</summary>
    /// <param name="bytes">Of its record, without the word.</param>
    public void Sent(int bytes) => _bytes += bytes;

    /// <summary>Ends a period (migration_update_rates): rates are of what was handled since the last.</summary>
    /// <param name="handled">Pages of any kind since the start.</param>
    public void EndPeriod(long handled)
    {
        var pages = handled - _period.Handled;
        if (pages == 0) return;
        _missRate = (double)(_missed - _period.Missed) / pages;
        var bytes = _bytes - _period.Bytes;
        _encodingRate = bytes == 0 ? 0 : (double)(_found - _period.Found) * GuestMemory.PageSize / bytes;
        _period = (handled, _bytes, _found, _missed);
    }

    public void Dispose() => Rest();
}
