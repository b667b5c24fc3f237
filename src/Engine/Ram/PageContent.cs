using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Ram;

/// <summary>What can be said of a page by looking at it.</summary>
static class PageContent
{
    /// <summary>Whether all bytes are zero; most pages that are not show it in their first word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(ReadOnlySpan<byte> page) => page[0] == 0 && !page.ContainsAnyExcept((byte)0);
}
