using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Where a pass goes on: elsewhere, at most once a pass, where a guest that walks through its memory is met later so.</summary>
sealed partial class RamSaver
{
    // Pages that took time: those that were looked at and were ever written.
    long _sentPages;
    long _takenPages;

    // Where the first round ends, after a move to behind what has gone; else at the end of the memory.
    (int Part, int Word) _roundEnd;
    bool _hasWrapped;

    /// <summary>Says where passes go on; null has them go by address. To be set before the setup.</summary>
    public PassOrder? Order { get; set; }

    /// <summary>The guest stands, or will go on elsewhere: what is left goes as it comes.</summary>
    void EndOrder() => Order = null;

    /// <summary>Whether a part has lasted long enough. While the guest stands none does.</summary>
    static bool IsOver(long until) => until != long.MaxValue && Stopwatch.GetTimestamp() > until;

    void BeginOrder()
    {
        _takenPages = 0;
        Order?.Begin(_sentPages);
    }

    /// <summary>A look is due. True when the pass goes on elsewhere.</summary>
    bool TryMove(PassOrder order, WireWriter writer, long bytes)
    {
        var isKnown = order.Look(_takenPages);
        _takenPages = 0;
        if (!isKnown) return false;
        CountCells(order);
        if (order.Choose(_parts[_part].FirstPage + (_word * 64L), _sentPages, bytes) is not { } page) return false;
        MoveTo(writer, page);
        return true;
    }

    void CountCells(PassOrder order)
    {
        order.ClearCells();
        foreach (var part in _parts)
            for (var at = part.Dirty.NextWord(0); at < part.Dirty.WordCount; at = part.Dirty.NextWord(at + 1))
                order.Count(part.FirstPage + (at * 64L), BitOperations.PopCount(part.Dirty.Word(at)), part.Block.IsTouched(at));
    }

    /// <summary>Goes on from a page. What goes now is newer than what was gathered.</summary>
    internal void MoveTo(WireWriter writer, long page)
    {
        EndRun(writer);
        // Of the first round no more is left than fits the downtime.
        if (SyncCount > 1) EndRound();
        var from = (_part, _word);
        _part = Array.FindLastIndex(_parts, part => part.FirstPage <= page);
        (_word, _lookedAt) = ((int)((page - _parts[_part].FirstPage) / 64), 0);
        (_roundEnd, _hasWrapped) = ((_part, _word).CompareTo(from) > 0 ? (_part, _word) : default, false);
        // What comes next may have gone before.
        _isMarkDue |= _hasGiven;
    }

    /// <summary>The end of the memory.</summary>
    void Wrap()
    {
        if (_roundEnd == default) EndRound();
        else _hasWrapped = true;
    }

    /// <summary>After the wrap: where the round ends, all of it went.</summary>
    void CheckRound()
    {
        if ((_part, _word).CompareTo(_roundEnd) < 0) return;
        (_roundEnd, _hasWrapped) = (default, false);
        EndRound();
    }

    void CountSent(Part part, ulong bits)
    {
        if (part.Block.IsTouched(_word)) _sentPages += BitOperations.PopCount(bits);
    }
}
