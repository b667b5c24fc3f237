using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Which pages go next: block by block, 64 pages at a time, round and round until none is dirty.</summary>
sealed partial class RamSaver
{
    // Words of the log that are taken at a time before their pages go: 4 MiB.
    const int WordsPerTake = 16;

    Part[] _parts = Part.Of(guest.Memory);
    int _part;
    int _word;
    long _pending;
    int _takenTo;
    bool _hasTaken;

    /// <summary>Goes on where it stopped, wraps round, and ends when nothing is dirty or one of the limits is reached.</summary>
    void SavePages(WireWriter writer, long maxBytes, long until)
    {
        var end = maxBytes > long.MaxValue - writer.Position ? long.MaxValue : writer.Position + maxBytes;
        // What was taken before a pause may be old.
        _takenTo = 0;
        while (_pending > 0 && writer.Position + _run.Bytes < end)
        {
            var part = _parts[_part];
            _word = part.Dirty.NextWord(_word);
            if (_word < part.Dirty.WordCount)
            {
                if (until != long.MaxValue && Stopwatch.GetTimestamp() > until) break;
                if (!SaveUntouched(writer, part) && !SaveWord(writer, part, end)) break;
            }
            if (_word == part.Dirty.WordCount) NextPart(writer);
        }
        EndRun(writer);
    }

    void NextPart(WireWriter writer)
    {
        EndRun(writer);
        (_word, _takenTo) = (0, 0);
        if (++_part < _parts.Length) return;
        _part = 0;
        EndRound();
    }

    /// <summary>Sends the pages of one word of the bitmap; true, and on to the next word, when all of them went.</summary>
    bool SaveWord(WireWriter writer, Part part, long end)
    {
        var bits = TakeLog(part);
        var sent = SendsRuns ? SaveInRuns(writer, part, bits, end) : SaveInRecords(writer, part, bits, end);
        part.Dirty.ClearBits(_word, sent);
        _pending -= BitOperations.PopCount(sent);
        if (sent != bits) return false;
        _word++;
        return true;
    }

    /// <summary>
    /// Looks at the log of the next pages once more before they are looked at (CLEAR_DIRTY_LOG of QEMU): what the guest has written since
    /// the log was collected goes now, and need not go again. For 4 MiB at a time, since each look that finds something stops the other
    /// processors for a moment.
    /// </summary>
    ulong TakeLog(Part part)
    {
        if (_word >= _takenTo)
        {
            var words = Math.Min(WordsPerTake, part.Dirty.WordCount - _word);
            _takenTo = _word + words;
            if (part.Block.Log is { } log) TakeLog(part, log, words);
        }
        return part.Dirty.Word(_word);
    }

    void TakeLog(Part part, DirtyBitmap log, int words)
    {
        Span<ulong> taken = stackalloc ulong[WordsPerTake];
        taken = taken[..words];
        if (!log.Take(_word, taken)) return;
        _hasTaken = true;
        for (var i = 0; i < taken.Length; i++)
        {
            if (taken[i] == 0) continue;
            _pending += part.Dirty.SetBits(_word + i, taken[i]);
            part.Taken[_word + i] |= taken[i];
        }
    }

    /// <summary>Of the pages that were taken out of the log before they went, those that are not known to be dirty again.</summary>
    long CountTaken()
    {
        if (!_hasTaken) return 0;
        _hasTaken = false;
        var count = 0L;
        foreach (var part in _parts)
            for (var i = BitWords.Next(part.Taken, 0); i < part.Taken.Length; i = BitWords.Next(part.Taken, i + 1))
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

        /// <summary>Where a page lies when the blocks lie one behind the other (ram_addr_t of QEMU).</summary>
        public long AddressOf(long page) => address + (page * GuestMemory.PageSize);
    }
}
