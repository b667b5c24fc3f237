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
            var bits = part.Dirty.Word(_word);
            if (bits != 0)
            {
                if (until != long.MaxValue && Stopwatch.GetTimestamp() > until) return;
                if (_isMarkDue && !TryPassMark(outlets, writer)) return;
                var given = GiveWord(outlets, writer, part, bits, end);
                part.Dirty.ClearBits(_word, given);
                _pending -= BitOperations.PopCount(given);
                if (given != bits) continue;
            }
            if (++_word < part.Dirty.WordCount) continue;
            _word = 0;
            _part = (_part + 1) % _parts.Length;
            _isMarkDue |= _part == 0 && _hasGiven;
        }
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

    /// <summary>Gives pages of one word of the bitmap, and returns the bits of those that it gave, or sent itself as zero.</summary>
    ulong GiveWord(IPageOutlets outlets, WireWriter writer, Part part, ulong bits, long end)
    {
        var zeros = outlets.FindsZeros ? 0 : PageContent.ZeroBits(part.Block, _word, bits);
        if (zeros != 0) SaveZeros(writer, part, zeros);
        var given = bits & ~zeros;
        if (end != long.MaxValue) given = PageBatch.Lowest(given, Math.Max(1, (end - Given(outlets, writer)) / GuestMemory.PageSize));
        outlets.Send(part.Block, _word, given);
        _hasGiven = true;
        return zeros | given;
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
