using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Pages that lie together in one record, to a destination of ours: sent from where they lie (<see cref="Handshake"/>).</summary>
sealed partial class RamSaver
{
    // Pages: 1 MiB. The caches of the processor serve more of them badly, and what was looked at should leave soon.
    const int LongestRun = 256;

    // Pages: fewer are copied into the block, which is cheaper than a call to the system.
    const int ShortestSentThrough = 16;

    // Word, name with its length, pages.
    const int MaxRunHeader = 8 + 1 + StreamConstants.MaxName + 4;

    Run _run;

    int MaxZeroRun => _isPostcopy ? LongestPostcopyZeroRun : RamFlags.MaxRun;

    /// <summary>Whether the destination understands runs; to be set before the first page goes.</summary>
    public bool SendsRuns { get; set; }

    /// <summary>
    /// Words of the bitmap of which all pages are to be sent and none was ever written: one run, without a look at any page or at the log,
    /// for what was written since finds its chunk marked. False when the next word is none of these.
    /// </summary>
    bool SaveUntouched(WireWriter writer, Part part)
    {
        if (!SendsRuns) return false;
        var words = part.Dirty.FullWords(_word, MaxZeroRun / 64);
        words = part.Block.UntouchedChunks(_word, words);
        if (words == 0) return false;
        Extend(writer, part, (long)_word * 64, words * 64, isZero: true);
        part.Dirty.ClearWords(_word, words);
        _pending -= words * 64L;
        _word += words;
        return true;
    }

    /// <summary>Sends pages of the word that is next, together with what lies before, and returns the bits of those that it sent.</summary>
    ulong SaveInRuns(WireWriter writer, Part part, ulong bits, long end)
    {
        var first = (long)_word * 64;
        // Behind dense pages come such mostly. The look at these also says that they are not zero.
        var dense = SendsSparse && _differences is null && GoesOn(part, first, isZero: false) ? SparsePage.DenseBits(part.Block, _word, bits) : 0;
        var zeros = PageContent.ZeroBits(part.Block, _word, bits & ~dense);
        var left = bits;
        while (left != 0 && writer.Position + _run.Bytes < end)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            var isZero = (zeros >> bit & 1) != 0;
            var count = BitOperations.TrailingZeroCount(~((isZero ? zeros : left & ~zeros) >> bit));
            if (isZero) Extend(writer, part, first + bit, count, isZero);
            else count = SaveContent(writer, part, first + bit, count, dense, end);
            left &= ~BitWords.Mask(bit, count);
        }
        KeepZeros(part, zeros & ~left);
        return bits & ~left;
    }

    /// <summary>Pages that are not zero and lie together: returns how many it sent, as the limit allows, at least one.</summary>
    int SaveContent(WireWriter writer, Part part, long first, int count, ulong dense, long end)
    {
        if (_differences is not null)
        {
            EndRun(writer);
            SavePage(writer, part, first);
            return 1;
        }
        if (SendsSparse && TrySaveSparse(writer, part, first, part.Block.Page(first))) return 1;
        // Until the limit is reached, the page included that reaches it.
        var allowed = ((end - writer.Position - _run.Bytes - 1) / GuestMemory.PageSize) + 1;
        count = (int)Math.Min(count, allowed);
        if (SendsSparse) count = CountDense(part, first, count, dense);
        Extend(writer, part, first, count, isZero: false);
        return count;
    }

    /// <summary>Adds pages to the run that is being gathered, if they go on with it; else that one is sent, and they begin another.</summary>
    void Extend(WireWriter writer, Part part, long first, int count, bool isZero)
    {
        if (!GoesOn(part, first, isZero) || _run.Count + count > (isZero ? MaxZeroRun : LongestRun))
        {
            EndRun(writer);
            _run = new Run { Part = part, First = first, IsZero = isZero };
        }
        _run.Count += count;
    }

    /// <summary>Whether what is being gathered ends right before this page, and is of its kind.</summary>
    bool GoesOn(Part part, long page, bool isZero) => _run.Part == part && _run.IsZero == isZero && _run.First + _run.Count == page;

    /// <summary>Sends what was gathered.</summary>
    void EndRun(WireWriter writer)
    {
        if (_run.Part is not { } part) return;
        // A link that breaks here has taken nothing of it, and none of its pages counts as sent.
        writer.Pipe.GetSpan(_run.Count == 1 ? MaxRecord : MaxRunHeader);
        var run = _run;
        _run = default;
        if (run.Count == 1 && run.IsZero) SaveZero(writer, part, run.First);
        else if (run.Count == 1) SaveWhole(writer, part, run.First, part.Block.Page(run.First));
        else if (run.IsZero) SaveZeroRun(writer, run);
        else SaveRun(writer, run);
    }

    void SaveZeroRun(WireWriter writer, Run run)
    {
        WriteRunHeader(writer, run, RamFlags.Run | RamFlags.Zero);
        _zeroPages += run.Count;
    }

    void SaveRun(WireWriter writer, Run run)
    {
        WriteRunHeader(writer, run, RamFlags.Run);
        var bytes = run.Part!.Block.Span(run.First * GuestMemory.PageSize, run.Count * GuestMemory.PageSize);
        if (run.Count < ShortestSentThrough) writer.Bytes(bytes);
        else writer.WriteThrough(bytes);
        _normalPages += run.Count;
    }

    void WriteRunHeader(WireWriter writer, Run run, ulong flags)
    {
        var record = writer.Pipe.GetSpan(MaxRunHeader);
        var length = WriteWord(record, run.Part!, run.First, flags);
        BinaryPrimitives.WriteUInt32BigEndian(record[length..], (uint)run.Count);
        writer.Advance(length + 4);
    }

    /// <summary>Pages that lie together, are alike and not sent yet.</summary>
    struct Run
    {
        public Part? Part;
        public long First;
        public int Count;
        public bool IsZero;

        /// <summary>What it will take on the wire, but for a name.</summary>
        public readonly long Bytes => Part is null ? 0 : 8 + 4 + (IsZero ? 0 : (long)Count * GuestMemory.PageSize);
    }
}
