using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// Distinct pages in windows of many lengths from one reading of the dirty log. A measurement is halved until its parts last about 25 ms;
/// the log is read at the end of each, or of longer ones. Where a window of one length ends, its bitmap is counted and goes over into that of the window of
/// twice the length: all reads of a length cost half of what those of half the length do. Windows of each length cover the whole time, so
/// that their mean is of all of it. One thread.
/// </summary>
sealed class DirtyWindows
{
    /// <summary>About how long the shortest windows are.</summary>
    public static readonly TimeSpan Finest = TimeSpan.FromMilliseconds(25);

    // A window that was read so late, or the one before it, is not one of that length; nor is one at whose end nothing was read.
    const double Tolerance = 0.25;

    readonly DirtyBitmap[] _logs;
    readonly Level[] _levels;
    readonly DirtyWhere _where;
    long _parts;

    /// <param name="logs">Of each block; this is their only reader.</param>
    /// <param name="duration">Of the whole.</param>
    public DirtyWindows(IEnumerable<DirtyBitmap> logs, TimeSpan duration)
    {
        _logs = [.. logs];
        var doublings = Math.Max(1, (int)Math.Round(Math.Log2(duration / Finest)));
        // Rounded down: the last one is over no later than the whole.
        Part = TimeSpan.FromTicks(duration.Ticks >> doublings);
        _levels = [.. Enumerable.Range(0, doublings + 1).Select(level => new Level(Part * (1 << level), _logs))];
        _where = new DirtyWhere([.. _logs.Select(log => log.Pages)]);
    }

    /// <summary>The shortest windows.</summary>
    public TimeSpan Part { get; }

    /// <summary>How many of them there are in the whole.</summary>
    public long Parts => 1L << (_levels.Length - 1);

    /// <summary>How many are over.</summary>
    public long PartsOver => _parts;

    /// <summary>Of the pages of each block those that were dirtied in windows that are over, up to half of the whole.</summary>
    public IReadOnlyList<ulong[]> Whole => _levels[^1].Words;

    /// <summary>Takes what the log holds. Returns how many pages that are.</summary>
    public long Take()
    {
        long pages = 0;
        for (var i = 0; i < _logs.Length; i++) pages += _logs[i].TakeInto(_levels[0].Words[i]);
        return pages;
    }

    /// <summary>Ends the windows that are over by now, the time since the start at which <see cref="Take"/> began.</summary>
    public void Close(TimeSpan now)
    {
        var parts = Math.Min(now.Ticks / Part.Ticks, Parts);
        if (parts != _parts) _where.Add(_levels[0].Words);
        for (var level = 0; level < _levels.Length - 1 && parts >> level != _parts >> level; level++)
            _levels[level].End(now, _levels[level + 1]);
        _parts = parts;
    }

    /// <summary>Whether a page was dirtied since a half of the whole ended, or else since it began.</summary>
    public bool IsInOpenWindow(int block, long page)
    {
        for (var level = 0; level < _levels.Length - 1; level++)
            if (BitWords.Has(_levels[level].Words[block], page)) return true;
        return false;
    }

    /// <summary>
    /// Ends the whole, not before its time. The points by interval, the whole last; a length of which no window was read in time has none.
    /// </summary>
    public DirtyCurvePoint[] End(TimeSpan now)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, Part * Parts);
        Close(now);
        var whole = (double)Count(Whole) * GuestMemory.PageSize;
        return [.. _levels.SkipLast(1).Select(level => level.Point).OfType<DirtyCurvePoint>(), new(now, whole, whole, whole, 1)];
    }

    /// <summary>Where it was; after <see cref="End"/>. Null where nothing was dirtied.</summary>
    public DirtyPlaces? Places => _where.Places(Whole);

    /// <summary>How many of these pages were dirtied in the whole; after <see cref="End"/>.</summary>
    public long CountIn(int block, long first, long pages)
    {
        var words = Whole[block];
        long count = 0;
        for (var page = first; page < first + pages;)
        {
            var (word, bit) = ((int)(page / 64), (int)(page % 64));
            var length = (int)Math.Min(64 - bit, first + pages - page);
            count += BitOperations.PopCount(words[word] & BitWords.Mask(bit, length));
            page += length;
        }
        return count;
    }

    static long Count(IReadOnlyList<ulong[]> blocks) => blocks.Sum(words => words.Sum(word => (long)BitOperations.PopCount(word)));

    /// <summary>The windows of one length, of which one is open.</summary>
    sealed class Level(TimeSpan length, DirtyBitmap[] logs)
    {
        TimeSpan _start;
        TimeSpan _time;
        long _pages;
        long _least = long.MaxValue;
        long _most;
        int _samples;

        public ulong[][] Words { get; } = [.. logs.Select(log => new ulong[log.WordCount])];

        public DirtyCurvePoint? Point => _samples == 0 ? null : new(
            _time / _samples, (double)_pages / _samples * GuestMemory.PageSize, (double)_least * GuestMemory.PageSize,
            (double)_most * GuestMemory.PageSize, _samples);

        public void End(TimeSpan now, Level longer)
        {
            var (time, pages) = (now - _start, MoveInto(longer));
            _start = now;
            if (Math.Abs((time / length) - 1) > Tolerance) return;
            _samples++;
            _time += time;
            _pages += pages;
            _least = Math.Min(_least, pages);
            _most = Math.Max(_most, pages);
        }

        /// <summary>Returns how many pages there were.</summary>
        public long MoveInto(Level longer)
        {
            long pages = 0;
            for (var block = 0; block < Words.Length; block++)
            {
                var (from, to) = (Words[block], longer.Words[block]);
                for (var at = BitWords.Next(from, 0); at < from.Length; at = BitWords.Next(from, at + 1))
                {
                    pages += BitOperations.PopCount(from[at]);
                    to[at] |= from[at];
                    from[at] = 0;
                }
            }
            return pages;
        }
    }
}
