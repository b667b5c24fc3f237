using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Pages that leave through channels (ram_save_multifd_page of QEMU). Channels overtake each other, and so does the main stream: before a
/// page can go a second time, all have to pass a mark.
/// </summary>
sealed partial class RamSaver
{
    // Pages were given since the last mark, and some of them may be dirty again.
    bool _isMarkDue;
    bool _hasGiven;

    /// <summary>The channels; null when all goes through the main stream. To be set before the setup.</summary>
    public IPageOutlets? Outlets { get; set; }

    /// <summary>A PART: ends early where only the end of a section is a mark, and one is due.</summary>
    void GivePart(IPageOutlets outlets, WireWriter writer, long maxBytes, long until)
    {
        GivePages(outlets, writer, maxBytes, until);
        if (outlets.MarksSections) Mark(outlets, writer);
        // The end of a pass: its figures are to be those of all that was sent in it.
        else if (_pending == 0) outlets.Drain();
    }

    /// <summary>The END, while the guest stands: no page goes twice.</summary>
    void GiveRest(IPageOutlets outlets, WireWriter writer)
    {
        GivePages(outlets, writer, long.MaxValue, long.MaxValue);
        Mark(outlets, writer);
    }

    /// <summary>The log is about to be looked at: what it holds may be pages that were given before.</summary>
    void EndPass(IPageOutlets outlets)
    {
        outlets.Drain();
        _isMarkDue |= _hasGiven;
    }

    void ForgetOutlets() => (_normalPages, _zeroPages, Outlets) = (NormalPages, ZeroPages, null);

    /// <summary>The channels send all and SYNC; where EOS, which follows, is no mark, the main stream gets one.</summary>
    void Mark(IPageOutlets outlets, WireWriter writer)
    {
        EndRun(writer);
        outlets.Synchronize();
        (_isMarkDue, _hasGiven) = (false, false);
        if (!outlets.MarksSections) writer.UInt64(RamFlags.MultifdFlush);
    }

    /// <summary>Like <see cref="SavePages"/>.</summary>
    void GivePages(IPageOutlets outlets, WireWriter writer, long maxBytes, long until)
    {
        var start = Given(outlets, writer);
        var end = maxBytes > long.MaxValue - start ? long.MaxValue : start + maxBytes;
        while (_pending > 0 && HasRoom(outlets, writer, end))
        {
            var part = _parts[_part];
            _word = part.Dirty.NextWord(_word);
            if (_word < part.Dirty.WordCount)
            {
                if (IsOver(until)) break;
                if (Order is { IsDue: true } order && TryMove(order, writer, Given(outlets, writer))) continue;
                if (_isMarkDue && !TryPassMark(outlets, writer)) break;
                _hasGiven = true;
                if (!SaveUntouched(writer, part)) GiveWord(outlets, writer, part, end);
            }
            if (_word == part.Dirty.WordCount) NextPart(writer);
            if (_hasWrapped) CheckRound();
            // All round: what comes next may have gone before.
            _isMarkDue |= _hasGiven && (_part, _word) == (0, 0);
        }
        EndRun(writer);
    }

    /// <summary>
    /// The other ends wait at the mark until they have seen it in the main stream, so that it has to leave at once. False where it takes
    /// the end of the section, which is of no need once the guest stands.
    /// </summary>
    bool TryPassMark(IPageOutlets outlets, WireWriter writer)
    {
        if (outlets.MarksSections) return _isLastStage;
        Mark(outlets, writer);
        writer.Flush();
        return true;
    }

    /// <summary>Gives pages of the word that is next, as many as the limit allows, and goes on to the next word if those were all.</summary>
    void GiveWord(IPageOutlets outlets, WireWriter writer, Part part, long end)
    {
        var bits = TakeLog(part);
        var zeros = outlets.FindsZeros ? 0 : PageContent.ZeroBits(part.Block, _word, bits);
        if (zeros != 0) SaveZeros(writer, part, zeros);
        var given = bits & ~zeros;
        if (end != long.MaxValue) given = PageBatch.Lowest(given, Math.Max(1, (end - Given(outlets, writer)) / GuestMemory.PageSize));
        outlets.Send(part.Block, _word, given);
        part.Dirty.ClearBits(_word, zeros | given);
        _pending -= BitOperations.PopCount(zeros | given);
        CountSent(part, zeros | given);
        // What is left goes with what is dirty by then, which may be what went just now.
        if ((zeros | given) != bits) _isMarkDue = true;
        else _word++;
    }

    /// <summary>What was given counts as if it all had content, until the channels have looked.</summary>
    static bool HasRoom(IPageOutlets outlets, WireWriter writer, long end)
    {
        if (end == long.MaxValue || Given(outlets, writer) < end) return true;
        outlets.Drain();
        return Given(outlets, writer) < end;
    }

    static long Given(IPageOutlets outlets, WireWriter writer) => writer.Position + outlets.BytesGiven;
}
