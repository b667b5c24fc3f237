namespace PsMigrate.Engine.Convergence;

/// <summary>
/// The memory that a sender goes through round and round, in cells: what is known to be dirty in each, and since when
/// it may be dirty without being known. Times in seconds, sizes in bytes of pages. Pure.
/// </summary>
sealed class SweptMemory : IPrecopyMemory
{
    const int Cells = 256;

    readonly PrecopyScenario _scenario;
    readonly DirtiedCells _dirtied;
    readonly double _mostInCell;
    readonly Cell[] _cells = new Cell[Cells];
    readonly SweptOrder? _order;
    int _at;
    bool _isEntered;
    double _lastSync;

    public SweptMemory(PrecopyScenario scenario, double now)
    {
        _scenario = scenario;
        _dirtied = new DirtiedCells(scenario.Curve, scenario.Bound, Cells);
        _mostInCell = scenario.Curve.TotalBytes / (double)Cells;
        _lastSync = now;
        // What was never written takes no time; what is written before its turn goes in it.
        var used = _dirtied.Used(scenario.Curve.UsedBytes);
        for (var i = 0; i < Cells; i++) _cells[i] = new Cell { Known = used[i], Since = now };
        if (scenario.Sender is { LooksAgain: true, FollowsWalks: true }) _order = new SweptOrder(scenario, _dirtied, now);
        Known = scenario.Curve.UsedBytes;
    }

    /// <summary>What is known to be dirty and has not gone.</summary>
    public double Known { get; private set; }

    /// <inheritdoc/>
    public double? ZeroShare => _scenario.Curve.ZeroIn(_at, Cells);

    // As far as it matters where nobody decides by it, what a look found.
    double IPrecopyMemory.Dirtied => Known;

    /// <summary>Whether what goes is kept, to send differences of it later.</summary>
    public bool KeepsPages { get; set; }

    /// <summary>How much of what is known goes first, as it is in one cell; 0 when nothing is known. Enters the cell.</summary>
    public (double Left, bool IsFirst, bool IsKept) Next(double now)
    {
        if (!_isEntered && _order?.Next(now, _at, cell => _cells[cell].Known) is { } place) _at = place;
        for (var tries = 0; tries <= Cells; tries++)
        {
            ref var cell = ref _cells[_at];
            if (cell.Known > 0)
            {
                if (!_isEntered) Enter(now);
                return (cell.Known, !cell.WasSent, cell.IsKept);
            }
            Leave(ref cell);
        }
        Known = 0;
        return default;
    }

    /// <summary>So much of it went.</summary>
    public void Send(double bytes)
    {
        ref var cell = ref _cells[_at];
        bytes = Math.Min(bytes, cell.Known);
        _order?.Send(bytes);
        cell.Known -= bytes;
        Known = Math.Max(0, Known - bytes);
        if (cell.Known >= 1) return;
        Known = Math.Max(0, Known - cell.Known);
        cell.Known = 0;
        Leave(ref cell);
    }

    /// <summary>The dirty log is read.</summary>
    public void Synchronise(double now)
    {
        Known = 0;
        for (var i = 0; i < Cells; i++)
        {
            ref var cell = ref _cells[i];
            var dirtied = Dirtied(i, now);
            if (i == _at && _isEntered) (cell.Known, cell.Since) = (Math.Min(_mostInCell, cell.Known + dirtied), now);
            else if (cell.WasSent) cell.Known = Math.Max(cell.Known, dirtied);
            if (cell.Known < 1) cell.Known = 0;
            Known += cell.Known;
        }
        _lastSync = now;
        _order?.Begin(now);
    }

    /// <summary>Of what went, how much was written since; and what never went.</summary>
    public (double Again, double Left) Peek(double now)
    {
        double again = 0, left = 0;
        for (var i = 0; i < Cells; i++)
            if (_cells[i].WasSent) again += Dirtied(i, now);
            else left += _cells[i].Known;
        return (again, left);
    }

    void Enter(double now)
    {
        ref var cell = ref _cells[_at];
        _isEntered = true;
        if (!_scenario.Sender.LooksAgain)
        {
            cell.Since = _lastSync;
            return;
        }
        if (cell.WasSent)
        {
            var known = Math.Min(_mostInCell, Math.Max(cell.Known, Dirtied(_at, now)));
            Known += known - cell.Known;
            cell.Known = known;
        }
        cell.Since = now;
    }

    void Leave(ref Cell cell)
    {
        if (_isEntered)
        {
            cell.WasSent = true;
            cell.IsKept = KeepsPages;
        }
        _isEntered = false;
        _at = (_at + 1) % Cells;
    }

    /// <summary>Since it was clean. A guest that is slowed down does in a longer time what it would in a shorter one.</summary>
    double Dirtied(int cell, double now) => _dirtied.Bytes(cell, _cells[cell].Since * (1 - _scenario.Throttle), now * (1 - _scenario.Throttle));

    struct Cell
    {
        public double Known;
        public double Since;
        public bool WasSent;
        public bool IsKept;
    }
}
