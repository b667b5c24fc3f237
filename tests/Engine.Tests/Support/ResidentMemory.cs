using System.Runtime.InteropServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>How much of a block the system has given room to.</summary>
static unsafe partial class ResidentMemory
{
    /// <summary>Bytes of it that are in memory (mincore). Linux only.</summary>
    public static long Of(RamBlock block)
    {
        var pages = new byte[block.Pages];
        fixed (byte* map = pages)
        {
            if (Look((nint)block.Address, (nuint)block.Length, map) != 0)
                throw new InvalidOperationException($"mincore failed: {Marshal.GetLastPInvokeError()}.");
        }
        return pages.Count(page => (page & 1) != 0) * (long)GuestMemory.PageSize;
    }

    [LibraryImport("libc", EntryPoint = "mincore", SetLastError = true)]
    private static partial int Look(nint address, nuint length, byte* map);
}
