using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>Pages of a packet that lie one behind the other in their block.</summary>
static class PageRun
{
    /// <summary>How many pages, from the first one of the offsets on.</summary>
    public static int Length(ReadOnlySpan<long> offsets)
    {
        var count = 1;
        while (count < offsets.Length && offsets[count] == offsets[0] + ((long)count * GuestMemory.PageSize)) count++;
        return count;
    }
}
