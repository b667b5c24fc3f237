using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>The calls to the operating system that guest RAM needs. Memory reads as zero and takes no room until it is written.</summary>
unsafe interface IHostMemory
{
    /// <summary>Reserves <paramref name="length"/> bytes, page-aligned. Throws MemoryExceeded.</summary>
    byte* Reserve(long length);

    /// <summary>
    /// Says that all of a range, which nobody has written, is about to be written: larger pages may be used for it, which take as
    /// many faults less. A hint, that nothing but time and room depends on.
    /// </summary>
    void ExpectDense(byte* address, long length);

    /// <summary>
    /// Has a range mapped, as zeros where nobody has written: whoever writes to it does not wait for the system then. A hint; false where it did nothing.
    /// </summary>
    bool Touch(byte* address, long length) => false;

    /// <summary>Gives all of it back.</summary>
    void Release(byte* address, long length);
}

static class HostMemory
{
    /// <summary>The one for this operating system. The bench sets one that keeps memory mapped.</summary>
    public static IHostMemory Default { get; set; } =
        OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() ? new UnixHostMemory() : new PortableHostMemory();
}

/// <summary>Anonymous private mappings: sparse whatever the size, and given back at once.</summary>
[SupportedOSPlatform("linux")]
[SupportedOSPlatform("macos")]
sealed unsafe partial class UnixHostMemory : IHostMemory
{
    const int ProtReadWrite = 1 | 2;
    const int MapPrivate = 2;

    // MAP_ANONYMOUS | MAP_NORESERVE: the numbers differ between Linux and macOS.
    static readonly int MapSparse = OperatingSystem.IsMacOS() ? 0x1000 | 0x40 : 0x20 | 0x4000;

    // MADV_HUGEPAGE and MADV_POPULATE_WRITE (5.14) of Linux; other systems have no such calls.
    const int AdviseLargePages = 14;
    const int AdviseTouch = 23;

    public byte* Reserve(long length)
    {
        // A large page begins at a multiple of its size; what lies before and behind that is given back.
        var room = length + GuestMemory.LargePageSize;
        var address = Map(0, (nuint)room, ProtReadWrite, MapPrivate | MapSparse, -1, 0);
        if (address == -1)
            throw new MigrationException(MigrationErrorId.MemoryExceeded, MigrationSide.User,
                $"This machine can't reserve {length} bytes of guest memory (system error {Marshal.GetLastPInvokeError()}).");
        var before = -address & (GuestMemory.LargePageSize - 1);
        if (before > 0) _ = Unmap(address, (nuint)before);
        // The system's pages may be larger than the guest's.
        var used = (before + length + Environment.SystemPageSize - 1) & -(long)Environment.SystemPageSize;
        if (used < room) _ = Unmap(address + (nint)used, (nuint)(room - used));
        return (byte*)address + before;
    }

    public void ExpectDense(byte* address, long length)
    {
        // Refused where large pages are switched off; then small ones do.
        if (OperatingSystem.IsLinux()) _ = Advise((nint)address, (nuint)length, AdviseLargePages);
    }

    // An older system refuses, and one without memory; whoever writes there finds out.
    public bool Touch(byte* address, long length) => OperatingSystem.IsLinux() && Advise((nint)address, (nuint)length, AdviseTouch) == 0;

    public void Release(byte* address, long length)
    {
        _ = Unmap((nint)address, (nuint)length);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}

/// <summary>The twin for every other system: the C library's zeroed allocation, which is lazy for large blocks.</summary>
sealed unsafe class PortableHostMemory : IHostMemory
{
    // The C library does not promise page alignment, so the true address is kept just before the block.
    public byte* Reserve(long length)
    {
        byte* raw;
        try
        {
            raw = (byte*)NativeMemory.AllocZeroed((nuint)length + (2 * GuestMemory.PageSize));
        }
        catch (OutOfMemoryException e)
        {
            throw new MigrationException(MigrationErrorId.MemoryExceeded, MigrationSide.User,
                $"This machine can't reserve {length} bytes of guest memory.", e);
        }
        var aligned = (byte*)(((nint)raw + (2 * GuestMemory.PageSize) - 1) & ~(nint)(GuestMemory.PageSize - 1));
        ((void**)aligned)[-1] = raw;
        return aligned;
    }

    public void ExpectDense(byte* address, long length)
    {
        // The C library decides by itself.
    }

    public void Release(byte* address, long length) => NativeMemory.Free(((void**)address)[-1]);
}
