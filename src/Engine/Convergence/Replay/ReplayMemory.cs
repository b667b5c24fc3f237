namespace PsMigrate.Engine.Convergence;

/// <summary>What of a guest's memory does not go with it, in one place.</summary>
/// <param name="Region">Where.</param>
/// <param name="Share">Which share of the region it is.</param>
/// <param name="Pages">How many pages are missing.</param>
/// <param name="Since">Since when they may have been written, in the guest's own time; null where they never went.</param>
readonly record struct MissingPages(int Region, double Share, double Pages, double? Since);

/// <summary>
/// The memory of a replayed guest, region by region as the trace has it: what is known to be dirty in each place, and since when it may be
/// dirty without being known. Where the trace has few regions, each is several places. One thread.
/// </summary>
sealed class ReplayMemory : IPrecopyMemory
{
    const int FewestPlaces = 128;
    const double PageSize = 4096;

    readonly ReplayGuest _guest;
    readonly bool _looksAgain;
    readonly int _placesPerRegion;
    readonly Place[] _places;
    readonly double[] _lastSync;
    // The regions of the first round, in the order in which they went; null once it is over.
    int[]? _order;
    int _step;
    int _at;
    bool _isEntered;

    /// <param name="guest">Who writes.</param>
    /// <param name="looksAgain">Whether the log is looked at once more before pages go.</param>
    /// <param name="now">When the log was started.</param>
    public ReplayMemory(ReplayGuest guest, bool looksAgain, double now)
    {
        (_guest, _looksAgain) = (guest, looksAgain);
        _placesPerRegion = Math.Max(1, FewestPlaces / guest.Regions);
        _places = new Place[guest.Regions * _placesPerRegion];
        _lastSync = [.. Enumerable.Range(0, guest.Regions).Select(region => guest.TimeOf(region, now))];
        for (var i = 0; i < _places.Length; i++)
        {
            var region = i / _placesPerRegion;
            _places[i] = new Place { Known = guest.UsedOf(region) * PageSize / _placesPerRegion, Since = _lastSync[region] };
            Known += _places[i].Known;
        }
        _order = looksAgain ? guest.FirstRound : null;
        _at = PlaceOf(_step);
    }

    public double Known { get; private set; }

    public double Dirtied { get; private set; }

    public bool KeepsPages { get; set; }

    /// <summary>What is dirty now, after a look at the log.</summary>
    public IEnumerable<MissingPages> Missing => _places.Select((place, i) =>
        new MissingPages(i / _placesPerRegion, 1.0 / _placesPerRegion, place.Known / PageSize, place.WasSent ? place.Since : null));

    public (double Left, bool IsFirst, bool IsKept) Next(double now)
    {
        for (var tries = 0; tries <= _places.Length; tries++)
        {
            ref var place = ref _places[_at];
            if (place.Known > 0)
            {
                if (!_isEntered) Enter(ref place, now);
                return (place.Known, !place.WasSent, place.IsKept);
            }
            Leave(ref place);
        }
        Known = 0;
        return default;
    }

    public void Send(double bytes)
    {
        ref var place = ref _places[_at];
        bytes = Math.Min(bytes, place.Known);
        place.Known -= bytes;
        Known = Math.Max(0, Known - bytes);
        if (place.Known >= 1) return;
        Known = Math.Max(0, Known - place.Known);
        place.Known = 0;
        Leave(ref place);
    }

    public void Synchronise(double now)
    {
        (Known, Dirtied) = (0, 0);
        for (var i = 0; i < _places.Length; i++)
        {
            ref var place = ref _places[i];
            var region = i / _placesPerRegion;
            var time = _guest.TimeOf(region, now);
            var dirtied = Written(region, place.Since, time);
            if (i == _at && _isEntered) (place.Known, place.Since) = (Math.Min(Most(region), place.Known + dirtied), time);
            else place.Known = Math.Max(place.Known, dirtied);
            if (place.Known < 1) place.Known = 0;
            Known += place.Known;
            Dirtied += Written(region, _lastSync[region], time);
        }
        for (var region = 0; region < _lastSync.Length; region++) _lastSync[region] = _guest.TimeOf(region, now);
    }

    public (double Again, double Left) Peek(double now)
    {
        double again = 0, left = 0;
        for (var i = 0; i < _places.Length; i++)
            if (_places[i].WasSent) again += Written(i / _placesPerRegion, _places[i].Since, _guest.TimeOf(i / _placesPerRegion, now));
            else left += _places[i].Known;
        return (again, left);
    }

    void Enter(ref Place place, double now)
    {
        var region = _at / _placesPerRegion;
        _isEntered = true;
        if (!_looksAgain)
        {
            place.Since = _lastSync[region];
            return;
        }
        var time = _guest.TimeOf(region, now);
        var known = Math.Max(place.Known, Written(region, place.Since, time));
        Known += known - place.Known;
        (place.Known, place.Since) = (known, time);
    }

    void Leave(ref Place place)
    {
        if (_isEntered) (place.WasSent, place.IsKept) = (true, KeepsPages);
        _isEntered = false;
        _step = (_step + 1) % _places.Length;
        if (_step == 0) _order = null;
        _at = PlaceOf(_step);
    }

    int PlaceOf(int step) => _order is null ? step : (_order[step / _placesPerRegion] * _placesPerRegion) + (step % _placesPerRegion);

    double Most(int region) => _guest.PagesOf(region) * PageSize / _placesPerRegion;

    double Written(int region, double from, double to) => _guest.Written(region, from, to) * PageSize / _placesPerRegion;

    struct Place
    {
        public double Known;
        public double Since;
        public bool WasSent;
        public bool IsKept;
    }
}
