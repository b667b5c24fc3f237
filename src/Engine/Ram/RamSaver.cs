using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Sends RAM: the block list, then dirty pages pass by pass, block by block (ram.c of QEMU). Nothing is allocated per page. This part is
/// what others see of it; Passes and Order say which pages go, Records, Runs, Sparse and Xbzrle how.
/// </summary>
/// <param name="guest">Whose RAM.</param>
/// <param name="sectionId">The section's number.</param>
/// <param name="xbzrleCacheSize">Bytes for pages as they were sent, of which differences are made; 0 sends none.</param>
sealed partial class RamSaver(MemoryGuest guest, uint sectionId = RamSaver.DefaultSectionId, long xbzrleCacheSize = 0) : IIterableState
{
    /// <summary>The section's number where nothing else claims it.</summary>
    public const uint DefaultSectionId = 1;

    long _normalPages;
    long _zeroPages;

    /// <summary>QEMU's MAX_WAIT: a PART ends after so long, so that the loop around it gets its turn.</summary>
    public TimeSpan LongestPart { get; init; } = TimeSpan.FromMilliseconds(50);

    public SectionHeader Section { get; } = new(sectionId, StreamConstants.RamSection, 0, StreamConstants.RamVersion);

    /// <summary>Pages sent as they are.</summary>
    public long NormalPages => _normalPages + (Outlets?.NormalPages ?? 0);

    /// <summary>Pages sent as zero.</summary>
    public long ZeroPages => _zeroPages + (Outlets?.ZeroPages ?? 0);

    /// <summary>How often the dirty log was collected; the one of the setup counts.</summary>
    public int SyncCount { get; private set; }

    /// <summary>
    /// Pages that the guest dirtied between the last two collections of the log: those that the last one found which were not known to be
    /// dirty, and those that were sent meanwhile, right after they were taken out of the log.
    /// </summary>
    public long DirtyPagesFound { get; private set; }

    /// <summary>Of a link that broke: none when all pages may have left, and no page that may have left is the last of them.</summary>
    public long PendingEstimate => (_pending + _run.Count) * GuestMemory.PageSize;

    /// <summary>Counts what is found in the log, for a trace; null counts nothing. To be set before the setup.</summary>
    public RegionLog? Regions { get; set; }

    public void SaveSetup(WireWriter writer)
    {
        if (xbzrleCacheSize > 0) _xbzrle = new XbzrleSaver(XbzrleCache.Fit(xbzrleCacheSize, guest.Memory.Length));
        // The first pass sends everything, so what was logged before it is of no interest.
        guest.StartLog();
        Regions?.Begin();
        _pending = 0;
        foreach (var part in _parts)
        {
            part.Dirty.SetAll();
            _pending += part.Dirty.Count;
        }
        SyncCount = 1;
        BeginOrder();
        writer.UInt64((ulong)guest.Memory.Length | RamFlags.MemSize);
        foreach (var block in guest.Memory.Blocks)
        {
            writer.Name(block.Name);
            writer.UInt64((ulong)block.Length);
        }
        if (Outlets is { } outlets) Mark(outlets, writer);
        writer.UInt64(RamFlags.Eos);
    }

    public void SaveIterate(WireWriter writer, long maxBytes)
    {
        var until = PartEnd();
        if (Outlets is { } outlets) GivePart(outlets, writer, maxBytes, until);
        else SavePages(writer, maxBytes, until);
        writer.UInt64(RamFlags.Eos);
    }

    long PartEnd() => Stopwatch.GetTimestamp() + (long)(LongestPart.TotalSeconds * Stopwatch.Frequency);

    public void SaveComplete(WireWriter writer)
    {
        // The guest stands, and waits for nobody who counts.
        Regions = null;
        EndOrder();
        PendingExact();
        _isLastStage = true;
        if (Outlets is { } outlets) GiveRest(outlets, writer);
        else SavePages(writer, long.MaxValue, long.MaxValue);
        writer.UInt64(RamFlags.Eos);
    }

    public long PendingExact()
    {
        // There is no log any more.
        if (_isPostcopy) return PendingEstimate;
        if (Outlets is { } outlets) EndPass(outlets);
        Order?.End(_takenPages);
        Regions?.Collect();
        var found = 0L;
        foreach (var part in _parts)
            if (part.Block.Log is { } log) found += part.Dirty.Collect(log);
        _pending += found;
        DirtyPagesFound = found + CountTaken();
        SyncCount++;
        BeginOrder();
        _xbzrle?.EndPeriod(HandledPages);
        return PendingEstimate;
    }

    public void Cleanup()
    {
        ReleaseCache();
        guest.StopLog();
    }

    /// <summary>Lets go of the bitmaps and channels; only the counters are of use from here on.</summary>
    public void Forget()
    {
        (_parts, _pending) = ([], 0);
        ForgetOutlets();
        ForgetPostcopy();
    }
}
