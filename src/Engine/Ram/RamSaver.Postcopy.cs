using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Postcopy: the guest runs at the destination, and each page that it lacks goes once, those first that it waits for (ram_save_queue_pages
/// and ram_postcopy_send_discard_bitmap of QEMU).
/// </summary>
sealed partial class RamSaver
{
    // Bytes that go before requests are looked at again: few while pages are asked for, since one that comes waits behind them. Where
    // nobody has asked for long, more: on a link of 4 GB/s small pieces cost a third of the rate.
    const int SmallPiece = 128 << 10;
    const int LargePiece = 1 << 20;
    const long Long = 16 << 20;

    // Bytes that may wait in the system. At 1 Gbit/s a page that is asked for comes after 3 ms, where the system's own limits make
    // it 25; the rate is the same.
    const int Unsent = 64 << 10;

    // Pages: a run of zeros is short on the wire, but the destination looks at each of them.
    const int LongestPostcopyZeroRun = 1 << 14;

    bool _isPostcopy;

    // The link of which little waits in the system.
    WireWriter? _hurried;

    // Bytes that went since a page was asked for.
    long _undisturbed;

    // The preempt channel, and the block that goes on there.
    WireWriter? _preempt;
    Part? _preemptNamed;

    // Of the word that is next, the pages behind the last one that was asked for: they go before anything else that nobody waits for.
    ulong _behind;

    /// <summary>What the destination waits for. It may ask at any time; before the postcopy nothing is sent for it.</summary>
    public PageRequests Requests { get; } = new(guest.Memory);

    /// <summary>Pages that went because they were asked for.</summary>
    public long RequestedPages { get; private set; }

    /// <summary>
    /// The preempt channel, through which requested pages go from here on: page records alone, in which a block that goes on is this
    /// channel's own matter.
    /// </summary>
    public WireWriter? Preempt
    {
        set => (_preempt, _preemptNamed) = (value, null);
    }

    /// <summary>
    /// The body of a PART, before <see cref="BeginPostcopy"/>, where pages went through channels: all that they hold leaves and is marked,
    /// and pages go through the main stream from here on. The guest stands.
    /// </summary>
    public void LeaveOutlets(WireWriter writer)
    {
        if (Outlets is { } outlets)
        {
            outlets.Drain();
            Mark(outlets, writer);
            ForgetOutlets();
        }
        writer.UInt64(RamFlags.Eos);
    }

    /// <summary>
    /// The guest stands, and will go on at the destination: says which pages will come anew, those included that never went. Has the last
    /// look at the log.
    /// </summary>
    public void BeginPostcopy(WireWriter writer)
    {
        if (Outlets is not null) throw new InvalidOperationException("Pages still go through channels.");
        Regions = null;
        EndOrder();
        PendingExact();
        guest.StopLog();
        // Both are made of what the destination has, or of what goes next to it; each page goes once, and alone.
        RestDifferences();
        SendsSparse = false;
        ForgetBlock();
        _isPostcopy = true;
        foreach (var part in _parts) Discard(writer, part);
    }

    static void Discard(WireWriter writer, Part part)
    {
        var commands = new RamDiscard(writer, part.Block.Name, stackalloc byte[RamDiscard.MaxLength]);
        for (var page = part.Dirty.NextSet(0); page < part.Dirty.Pages;)
        {
            var end = part.Dirty.NextClear(page);
            commands.Add(page * GuestMemory.PageSize, (end - page) * GuestMemory.PageSize);
            page = part.Dirty.NextSet(end);
        }
        commands.End();
    }

    /// <summary>
    /// The body of a PART in postcopy: pages that were asked for, whatever the limit, then about <paramref name="maxBytes"/> of what lies
    /// behind the last of them. Ends early when more are asked for.
    /// </summary>
    public void SavePostcopy(WireWriter writer, long maxBytes)
    {
        Hurry(writer);
        var hasServed = SaveRequested(_preempt ?? writer);
        // One that asks without end, and for nothing that is left, stops nobody.
        if (maxBytes > 0 && !(hasServed && IsAskedFor)) SaveBackground(writer, maxBytes);
        writer.UInt64(RamFlags.Eos);
    }

    /// <summary>The body of END: all pages have gone.</summary>
    public void SavePostcopyEnd(WireWriter writer)
    {
        if (_pending > 0) throw new InvalidOperationException($"{_pending} pages were not sent.");
        writer.UInt64(RamFlags.Eos);
    }

    /// <summary>No page goes through the preempt channel any more; the caller closes it.</summary>
    /// <param name="withEos">Whether it ends with EOS, as QEMU has it up to 7.2, or just so.</param>
    public void EndPreempt(bool withEos)
    {
        if (_preempt is not { } writer) return;
        if (withEos) writer.UInt64(RamFlags.Eos);
        writer.Flush();
        Preempt = null;
    }

    /// <summary>
    /// After a link broke: what has not come is to be sent, whatever was thought to have gone. Throws UnknownBlock, InvalidLength.
    /// </summary>
    /// <param name="block">The block's name.</param>
    /// <param name="received">One bit a page; bits behind the last one are of no account.</param>
    public void TakeReceived(string block, ReadOnlySpan<ulong> received)
    {
        var part = Array.Find(_parts, part => part.Block.Name == block) ?? throw new MigrationException(
            MigrationErrorId.UnknownBlock, MigrationSide.Destination, $"What came of RAM block '{Printable.Text(block)}' is told, which is not known.");
        if (received.Length != part.Dirty.WordCount)
            throw new MigrationException(MigrationErrorId.InvalidLength, MigrationSide.Destination,
                $"What came of RAM block '{part.Block.Name}' is told in {received.Length} words instead of {part.Dirty.WordCount}.");
        _run = default;
        _pending -= part.Dirty.Count;
        part.Dirty.SetAllBut(received);
        _pending += part.Dirty.Count;
    }

    /// <summary>
    /// What goes next may go through another link: the first page names its block, what was gathered or asked for over the old one is dropped, and
    /// the search begins at the first page.
    /// </summary>
    public void ForgetBlock()
    {
        (_named, _preemptNamed, _run) = (null, null, default);
        (_part, _word, _lookedAt, _behind) = (0, 0, 0, 0);
        Requests.Forget();
    }

    /// <summary>Lets go of links, and of what was asked for.</summary>
    void ForgetPostcopy()
    {
        ForgetBlock();
        (Preempt, _hurried) = (null, null);
    }

    /// <summary>Pages that were asked for leave at once: what comes behind them may take its time. False when there were none.</summary>
    bool SaveRequested(WireWriter writer)
    {
        var (before, until) = (RequestedPages, PartEnd());
        while (Requests.TryTake(out var block, out var word, out var asked))
        {
            var bits = asked & _parts[block].Dirty.Word(word);
            if (bits != 0) SaveRequested(writer, block, word, bits);
            if (Stopwatch.GetTimestamp() > until) break;
        }
        if (RequestedPages == before) return false;
        _undisturbed = 0;
        writer.Flush();
        return true;
    }

    void SaveRequested(WireWriter writer, int block, int word, ulong bits)
    {
        var part = _parts[block];
        (_part, _word, _behind) = (block, word, ~(ulong.MaxValue >> BitOperations.LeadingZeroCount(bits)));
        if (writer == _preempt) (_named, _preemptNamed) = (_preemptNamed, _named);
        SaveInRecords(writer, part, bits, long.MaxValue);
        if (writer == _preempt) (_named, _preemptNamed) = (_preemptNamed, _named);
        // All of them are in the writer's block, or on their way: a link that breaks from here on may have taken them.
        part.Dirty.ClearBits(word, bits);
        var count = BitOperations.PopCount(bits);
        _pending -= count;
        RequestedPages += count;
    }

    void SaveBackground(WireWriter writer, long maxBytes)
    {
        var (start, until) = (writer.Position, PartEnd());
        do
        {
            var from = writer.Position;
            var limit = Math.Min(_undisturbed < Long ? SmallPiece : LargePiece, maxBytes - (from - start));
            if (_behind != 0) SaveBehind(writer, writer.Position + limit);
            else SavePages(writer, limit, until);
            writer.Flush();
            _undisturbed += writer.Position - from;
        }
        while (_pending > 0 && writer.Position - start < maxBytes && !IsAskedFor && Stopwatch.GetTimestamp() <= until);
    }

    void Hurry(WireWriter writer)
    {
        if (_hurried == writer) return;
        _hurried = writer;
        writer.LimitUnsent(Unsent);
    }

    /// <summary>What lies behind the page that was asked for last, in the same word of the bitmap.</summary>
    void SaveBehind(WireWriter writer, long end)
    {
        var part = _parts[_part];
        var bits = part.Dirty.Word(_word) & _behind;
        if (bits != 0 && SaveSome(writer, part, bits, end) != bits)
        {
            EndRun(writer);
            return;
        }
        _behind = 0;
        if (++_word == part.Dirty.WordCount) NextPart(writer);
        EndRun(writer);
    }

    /// <summary>Whether somebody waits for a page, for which all else has to wait.</summary>
    bool IsAskedFor => _isPostcopy && !Requests.IsEmpty;
}
