using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>To what share of their size pages come that are sent as the bytes which are not zero (<see cref="SparsePage"/>).</summary>
static class SparseSample
{
    // 4 MiB are looked at.
    const int MostPages = 1024;

    /// <summary>
    /// Of some pages that are not zero, 0 to 1; 1 where there is none. The guest may write meanwhile; whoever calls has claimed it.
    /// </summary>
    public static double Share(GuestMemory memory)
    {
        var encoded = new byte[SparsePage.MaxEncoded];
        var pages = memory.Blocks.Sum(block => block.Pages);
        var step = Math.Max(1, pages / MostPages) | 1;
        long bytes = 0, count = 0;
        foreach (var block in memory.Blocks)
            for (long page = 0; page < block.Pages; page += step)
            {
                if (!block.IsTouched(page / RamBlock.PagesPerChunk) || PageContent.IsZero(block.Page(page))) continue;
                var length = SparsePage.Encode(block.Page(page), encoded);
                bytes += length == 0 ? GuestMemory.PageSize : length;
                count++;
            }
        return count == 0 ? 1 : (double)bytes / (count * GuestMemory.PageSize);
    }
}
