using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Which pages go next: block by block, 64 pages at a time, round and round until none is dirty.</summary>
sealed partial class RamSaver
{
    Part[] _parts = Part.Of(guest.Memory);
    int _part;
    int _word;
    long _pending;
    bool _hasTaken;
    int _lookedAt;

    // Words whose log is looked at together: 4 MiB of RAM.
    const int LogStretch = 16;

    /// <summary>Goes on where it stopped, wraps round, and ends when nothing is dirty, one of the limits is reached, or in postcopy a page is asked for.</summary>
    void SavePages(WireWriter writer, long maxBytes, long until)
    {
        var end = maxBytes > long.MaxValue - writer.Position ? long.MaxValue : writer.Position + maxBytes;
        while (_pending > 0 && writer.Position + _run.Bytes < end)
        {
            var part = _parts[_part];
            _word = part.Dirty.NextWord(_word);
            if (_word < part.Dirty.WordCount)
            {
                if (IsOver(until)) break;
                if (Order is { IsDue: true } order && TryMove(order, writer, writer.Position)) continue;
                if (!SaveUntouched(writer, part) && !SaveWord(writer, part, end)) break;
            }
            if (_word == part.Dirty.WordCount) NextPart(writer);
            if (_hasWrapped) CheckRound();
            if (IsAskedFor) break;
        }
        EndRun(writer);
    }

    void NextPart(WireWriter writer)
    {
        EndRun(writer);
        _lookedAt = _word = 0;
        if (++_part < _parts.Length) return;
        _part = 0;
        Wrap();
    }

    /// <summary>Sends the pages of one word of the bitmap; true, and on to the next word, when all of them went.</summary>
    bool SaveWord(WireWriter writer, Part part, long end)
    {
        var bits = TakeLog(part);
        if (SaveSome(writer, part, bits, end) != bits) return false;
        _word++;
        return true;
    }

    /// <summary>Sends pages of the word that is next, as many as the limit allows, and returns their bits.</summary>
    ulong SaveSome(WireWriter writer, Part part, ulong bits, long end)
    {
        var sent = SendsRuns ? SaveInRuns(writer, part, bits, end) : SaveInRecords(writer, part, bits, end);
        part.Dirty.ClearBits(_word, sent);
        _pending -= BitOperations.PopCount(sent);
        CountSent(part, sent);
        return sent;
    }

    /// <summary>
    /// Looks at the log once more before pages are looked at (CLEAR_DIRTY_LOG of QEMU): what the guest has written since the log was
    /// collected goes now, and need not go again. A stretch of words at a time, for each look that finds something makes all
    /// processors wait.
    /// </summary>
    ulong TakeLog(Part part)
    {
        if (_word >= _lookedAt && part.Block.Log is { } log) LookAtLog(part, log);
        return part.Dirty.Word(_word);
    }

    void LookAtLog(Part part, DirtyBitmap log)
    {
        Span<ulong> stretch = stackalloc ulong[LogStretch];
        stretch = stretch[..Math.Min(LogStretch, part.Dirty.WordCount - _word)];
        _lookedAt = _word + stretch.Length;
        var hasFound = log.TryTake(_word, stretch);
        Regions?.Look(part.FirstPage + (_word * 64L), stretch);
        if (!hasFound) return;
        for (var i = 0; i < stretch.Length; i++)
        {
            _pending += part.Dirty.SetBits(_word + i, stretch[i]);
            part.Taken[_word + i] |= stretch[i];
            _takenPages += BitOperations.PopCount(stretch[i]);
        }
        _hasTaken = true;
    }

    /// <summary>Of the pages that were taken out of the log before they went, those that are not known to be dirty again.</summary>
    long CountTaken()
    {
        if (!_hasTaken) return 0;
        _hasTaken = false;
        var count = 0L;
        foreach (var part in _parts)
            for (var i = 0; i < part.Taken.Length; i++)
            {
                count += BitOperations.PopCount(part.Taken[i] & ~part.Dirty.Word(i));
                part.Taken[i] = 0;
            }
        return count;
    }

    /// <summary>One block, and which of its pages are still to be sent.</summary>
    sealed class Part(RamBlock block, long address)
    {
        public static Part[] Of(GuestMemory memory)
        {
            long address = 0;
            return [.. memory.Blocks.Select(block => new Part(block, (address += block.Length) - block.Length))];
        }

        public RamBlock Block => block;

        public byte[] Name { get; } = System.Text.Encoding.UTF8.GetBytes(block.Name);

        public PageBitmap Dirty { get; } = new(block.Pages);

        /// <summary>One bit a page: taken out of the log before it was collected.</summary>
        public ulong[] Taken { get; } = new ulong[(block.Pages + 63) / 64];

        /// <summary>Its first page, when the blocks lie one behind the other.</summary>
        public long FirstPage => address / GuestMemory.PageSize;

        /// <summary>Where a page lies when the blocks lie one behind the other (ram_addr_t of QEMU).</summary>
        public long AddressOf(long page) => address + (page * GuestMemory.PageSize);
    }
}
