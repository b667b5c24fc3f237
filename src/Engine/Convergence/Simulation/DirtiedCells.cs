using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// What a guest dirties in each cell of its memory, by its curve and by where it was seen to write. Without that it writes where its memory is
/// not zero, since pages that were written seldom are; and where that is not known either, alike all over the memory. Of what it dirties beyond what was seen nobody knows where: it goes where there is room. Times in seconds, sizes in bytes. Pure.
/// </summary>
sealed class DirtiedCells
{
    const double MostOfRound = 0.8;
    const int PageSize = 4096;

    readonly CurveShape _curve;
    readonly double _mostInCell;
    readonly double[]? _soon;
    readonly double[]? _late;
    readonly double[]? _room;
    readonly double _shortest;
    readonly double _longest;
    readonly double _seen;
    readonly DirtyWalk? _walk;
    readonly double _speed;

    public DirtiedCells(DirtyCurve curve, CurveBound bound, int cells)
    {
        _curve = new CurveShape(curve, bound);
        Count = cells;
        _mostInCell = curve.TotalBytes / (double)cells;
        if ((curve.Places ?? NotZero(curve, cells)) is not { } places || places.Soon.Length != cells || places.Late.Length != cells) return;
        (_shortest, _longest) = (curve.Points.Min(point => point.Interval.TotalSeconds), curve.Points.Max(point => point.Interval.TotalSeconds));
        (_soon, _late, _seen) = (places.Soon, places.Late, _curve.Bytes(_longest));
        _room = RoomOf(places.Late);
        _walk = places.Walk is { Length: > 0 } walk ? walk : null;
        if (_walk is not null) _speed = SpeedOf(curve, _walk);
    }

    /// <summary>How many cells.</summary>
    public int Count { get; }

    /// <summary>Distinct bytes dirtied in a cell between two times since the measurement ended.</summary>
    public double Bytes(int cell, double from, double to)
    {
        var seconds = to - from;
        if (!(seconds > 0)) return 0;
        if (_walk is { } walk) return Walked(walk, cell, from * _speed, to * _speed);
        var all = _curve.Bytes(seconds);
        if (_soon is null) return Math.Min(_mostInCell, all / Count);
        var known = Math.Min(all, _seen);
        return Math.Min(_mostInCell, (known * Share(cell, seconds)) + ((all - known) * _room![cell]));
    }

    /// <summary>Of the memory in use what lies in each cell: all of the way, where it is known, and the rest anywhere else.</summary>
    public double[] Used(double bytes)
    {
        if (_walk is not { } walk || walk.Length > bytes) return [.. Enumerable.Repeat(bytes / Count, Count)];
        double[] way = [.. Enumerable.Range(0, Count).Select(cell => Walked(walk, cell, 0, walk.Length))];
        var (rest, room) = (bytes - way.Sum(), (Count * _mostInCell) - way.Sum());
        return [.. way.Select(one => one + (room > 0 ? rest * (_mostInCell - one) / room : 0))];
    }

    /// <summary>Who walks, and where at a time since the measurement ended; null of all other guests.</summary>
    public Walker? WalkerAt(double time) => _walk is not { } walk || _speed <= 0 ? null
        : new Walker((walk.Position + (time * _speed)) / PageSize, _speed / PageSize, walk.First / (double)PageSize, walk.Length / (double)PageSize);

    static DirtyPlaces? NotZero(DirtyCurve curve, int cells)
    {
        if (curve.ZeroPlaces is null) return null;
        double[] content = [.. Enumerable.Range(0, cells).Select(cell => 1 - curve.ZeroIn(cell, cells)!.Value)];
        var all = content.Sum();
        if (all <= 0) return null;
        double[] shares = [.. content.Select(one => one / all)];
        return new DirtyPlaces { Soon = shares, Late = shares };
    }

    /// <summary>By the longest interval in which it can't have come round.</summary>
    double SpeedOf(DirtyCurve curve, DirtyWalk walk)
    {
        var seconds = curve.Points.Where(point => point.MostBytes <= MostOfRound * walk.Length).Select(point => point.Interval.TotalSeconds).DefaultIfEmpty(_shortest).Max();
        return seconds > 0 ? _curve.Bytes(seconds) / seconds : 0;
    }

    /// <summary>Hot pages show in short intervals, all that is written in long ones: between them its share moves with the logarithm of the time.</summary>
    double Share(int cell, double seconds)
    {
        var late = _longest > _shortest ? Math.Clamp(Math.Log(seconds / _shortest) / Math.Log(_longest / _shortest), 0, 1) : 1;
        return ((1 - late) * _soon![cell]) + (late * _late![cell]);
    }

    /// <summary>Of what was not seen to be written, which share lies in each cell.</summary>
    double[] RoomOf(double[] late)
    {
        double[] room = [.. late.Select(share => Math.Max(0, _mostInCell - (share * _seen)))];
        var sum = room.Sum();
        return [.. room.Select(one => sum > 0 ? one / sum : 1.0 / Count)];
    }

    /// <summary>What of a cell lies on the way, in bytes from where it stood when it was last seen.</summary>
    double Walked(DirtyWalk walk, int cell, double from, double to)
    {
        if (to - from >= walk.Length) (from, to) = (0, walk.Length);
        var begin = ((walk.Position - walk.First + from) % walk.Length + walk.Length) % walk.Length;
        var end = begin + (to - from);
        var (first, next) = (cell * _mostInCell - walk.First, ((cell + 1) * _mostInCell) - walk.First);
        return Common(first, next, begin, Math.Min(end, walk.Length)) + Common(first, next, 0, end - walk.Length);
    }

    static double Common(double first, double next, double begin, double end) => Math.Max(0, Math.Min(next, end) - Math.Max(first, begin));
}
