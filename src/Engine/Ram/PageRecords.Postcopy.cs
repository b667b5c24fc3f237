using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Records in postcopy (ram_load_postcopy of QEMU): each page is placed once, a page that has come is left alone, and who waits for one is
/// told when all of it is there. Differences can't be: what they would be to may be the guest's own already.
/// </summary>
sealed partial class PageRecords
{
    // Pages claimed at a time: another connection does not bring these.
    const int MaxClaim = 1 << 10;

    // Pages; fewer are copied out of what was read ahead.
    const int ShortestReceivedThrough = 16;

    static MigrationException NotInPostcopy(WireReader reader, ulong flags) =>
        reader.Error(MigrationErrorId.OutOfOrder, $"RAM record 0x{flags:x3} can't be in postcopy.");

    /// <summary>The bytes of a page have all been received.</summary>
    void StoreOnce((ArrivingBlock Block, long Page) to, ReadOnlySpan<byte> bytes)
    {
        if (to.Block.TryStoreOnce(to.Page, bytes)) TellCame(to, 1);
    }

    void ClearOnce((ArrivingBlock Block, long Page) from, int count)
    {
        for (var done = 0; done < count;)
        {
            var claimed = from.Block.Claim(from.Page, Math.Min(count - done, MaxClaim));
            if (claimed > 0)
            {
                from.Block.MakeZero(from.Page, claimed);
                from.Block.MarkReceived(from.Page, claimed);
                TellCame(from, claimed);
            }
            var passed = Math.Max(claimed, 1);
            from.Page += passed;
            done += passed;
        }
    }

    /// <summary>A run: pages that are wanted go straight to where they belong, others are passed over.</summary>
    void ReadRunOnce(WireReader reader, (ArrivingBlock Block, long Page) from, int count)
    {
        while (count > 0)
        {
            var claimed = from.Block.Claim(from.Page, Math.Min(count, MaxClaim));
            if (claimed > 0) ReceiveClaimed(reader, from, claimed);
            else reader.Pass(GuestMemory.PageSize);
            var passed = Math.Max(claimed, 1);
            NormalPages += passed;
            from.Page += passed;
            count -= passed;
        }
    }

    /// <summary>Each page counts as soon as all of it is there. Of a run that breaks, those that were whole have come.</summary>
    void ReceiveClaimed(WireReader reader, (ArrivingBlock Block, long Page) from, int count)
    {
        var left = count;
        try
        {
            _density.ArrivingRun(Ram!.Memory, from.Block.Block, from.Page, count);
            var to = from.Block.PagesForWrite(from.Page, count);
            var goesThrough = count >= ShortestReceivedThrough;
            for (var at = 0; at < to.Length;)
            {
                at += reader.ReadSome(to[at..], goesThrough);
                var whole = (at / GuestMemory.PageSize) - (count - left);
                if (whole == 0) continue;
                from.Block.MarkReceived(from.Page, whole);
                TellCame(from, whole);
                from.Page += whole;
                left -= whole;
            }
        }
        finally
        {
            if (left > 0) from.Block.Unclaim(from.Page, left);
        }
    }

    void TellCame((ArrivingBlock Block, long Page) from, int count) => Ram!.Faults?.PageCame(from.Block.Block, from.Page, count);
}
