namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How much a pass leaves to be sent again, by how long it takes: the points that are known, and between them a power of the length. It begins
/// with what a forecast or a look into the first pass says, and each pass that ends corrects it: it is a point itself, and the others move
/// with it, since a guest that writes more than was thought does so in longer and shorter passes alike. Seconds, and bytes of pages. Pure.
/// </summary>
sealed class PassCurve
{
    // Points that lie closer together than by this factor are one.
    const double Step = 1.5;

    // How far the others go along with a pass that left more or less than was expected: noise must not move all of them.
    const double Following = 0.7;
    const double MostMoved = 8;

    // The power beyond a single point: a little less than straight, for pages are written again.
    const double UsualPower = 0.8;

    const double LeastSeconds = 1e-6;

    // Less than a page is none.
    const double LeastBytes = 4096;

    readonly SortedList<int, Point> _points;

    public PassCurve() => _points = [];

    PassCurve(PassCurve other) => (_points, WriteRate) = (new(other._points), other.WriteRate);

    /// <summary>What the guest writes, bytes of pages per second: no pass can leave more than is written while it lasts. Infinite where that is not known.</summary>
    public double WriteRate { get; set; } = double.PositiveInfinity;

    /// <summary>Whether anything is known.</summary>
    public bool IsEmpty => _points.Count == 0;

    /// <summary>One to look at without the lock that this one is changed under.</summary>
    public PassCurve Copy() => new(this);

    /// <summary>What is expected: takes the place of what was expected there before, and not of a pass.</summary>
    public void Expect(double seconds, double left)
    {
        if (!(seconds > LeastSeconds) || !(left >= 0)) return;
        if (!_points.TryGetValue(Key(seconds), out var known) || !known.IsPass) _points[Key(seconds)] = new Point(seconds, Math.Max(left, LeastBytes), IsPass: false);
    }

    /// <summary>A pass that ended.</summary>
    public void Add(double seconds, double left)
    {
        seconds = Math.Max(seconds, 2 * LeastSeconds);
        left = Math.Max(left, LeastBytes);
        if (!IsEmpty) Follow(left / ByPoints(seconds));
        _points[Key(seconds)] = new Point(seconds, left, IsPass: true);
    }

    /// <summary>What a pass of so many seconds leaves; 0 where nothing is known.</summary>
    public double Left(double seconds)
    {
        return IsEmpty || !(seconds > 0) ? 0 : Math.Min(ByPoints(seconds), WriteRate * seconds);
    }

    double ByPoints(double seconds)
    {
        var points = _points.Values;
        var next = 0;
        while (next < points.Count && points[next].Seconds < seconds) next++;
        // A longer pass does not leave less, whatever noise says.
        var least = points[0].Left;
        for (var i = 1; i < next; i++) least = Math.Max(least, points[i].Left);
        // In a moment hardly any page is written twice.
        if (next == 0) return points[0].Left * seconds / points[0].Seconds;
        var before = points[next - 1] with { Left = least };
        if (next == points.Count) return before.Left * Math.Pow(seconds / before.Seconds, LastPower(before));
        return before.Left * Math.Pow(seconds / before.Seconds, Power(before, points[next]));
    }

    void Follow(double ratio)
    {
        var moved = Math.Pow(Math.Clamp(ratio, 1 / MostMoved, MostMoved), Following);
        for (var i = 0; i < _points.Count; i++)
        {
            var point = _points.GetValueAtIndex(i);
            _points.SetValueAtIndex(i, point with { Left = Math.Max(point.Left * moved, LeastBytes) });
        }
    }

    double LastPower(Point last) => _points.Count == 1 ? UsualPower : Power(_points.GetValueAtIndex(_points.Count - 2), last);

    static double Power(Point before, Point after) =>
        after.Left <= before.Left ? 0 : Math.Clamp(Math.Log(after.Left / before.Left) / Math.Log(after.Seconds / before.Seconds), 0, 1);

    static int Key(double seconds) => (int)Math.Round(Math.Log(seconds) / Math.Log(Step));

    readonly record struct Point(double Seconds, double Left, bool IsPass);
}
