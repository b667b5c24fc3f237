using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>
/// The program of tests/WalkingGuest/walker.s with its parameters: it increments the first dword of each page of its working set in
/// turn, and counts the increments. All bytes of the working set follow from the count, so a page that is lost, stale or torn shows.
/// </summary>
sealed record WalkingGuest
{
    /// <summary>Physical address of the state: magic, a reserved dword, the counter of 64 bits.</summary>
    public const int StateAddress = 0x8000;

    public const int StateSize = 16;

    const int PageSize = 4096;
    const int ParameterOffset = 0x1e0;
    const uint Magic = 0x474d5350;

    /// <summary>Physical address of the first page, 1 MiB or above. The BIOS keeps tables in the last 256 KiB of RAM.</summary>
    public int First { get; init; } = 1 << 20;

    /// <summary>Size of the working set in pages of 4 KiB.</summary>
    public int Pages { get; init; } = 4096;

    /// <summary>
    /// Turns of an empty loop after each page. On an idle core 0 gives about a million pages/s, 1,000 some 300,000, 10,000 some 50,000,
    /// 100,000 some 5,000.
    /// </summary>
    public int Delay { get; init; }

    /// <summary>0: the pages are zeros but for their first dword. Else the start of a sequence that fills them and does not compress.</summary>
    public uint Seed { get; init; }

    /// <summary>The sector as assembled, without this guest's parameters.</summary>
    public static byte[] Sector()
    {
        using var resource = typeof(WalkingGuest).Assembly.GetManifestResourceStream("walker.bin")!;
        var sector = new byte[resource.Length];
        resource.ReadExactly(sector);
        return sector;
    }

    /// <summary>A disk image that boots it. SeaBIOS does not read a virtio disk of a single sector, hence the padding.</summary>
    public byte[] BootImage()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(First, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Pages);
        var image = new byte[1 << 20];
        Sector().CopyTo(image, 0);
        uint[] parameters = [(uint)First, (uint)Pages, (uint)Delay, Seed];
        for (var i = 0; i < parameters.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(ParameterOffset + 4 * i), parameters[i]);
        return image;
    }

    /// <summary>The increments so far, from the bytes at <see cref="StateAddress"/>; 0 before the walk begins.</summary>
    public static long Counter(ReadOnlySpan<byte> state) =>
        BinaryPrimitives.ReadUInt32LittleEndian(state) == Magic ? BinaryPrimitives.ReadInt64LittleEndian(state[8..]) : 0;

    /// <summary>Asserts that a stopped guest's RAM is exactly what its counter says; <paramref name="ram"/> begins at address 0.</summary>
    public void AssertConsistent(ReadOnlySpan<byte> ram)
    {
        var counter = Counter(ram.Slice(StateAddress, StateSize));
        Assert.True(counter > 0, "The guest never began its walk.");
        var random = Seed;
        for (var page = 0; page < Pages; page++)
        {
            var dwords = MemoryMarshal.Cast<byte, uint>(ram.Slice(First + page * PageSize, PageSize));
            // The page it stands at may be incremented but not yet counted.
            var least = (uint)(counter / Pages + (page < counter % Pages ? 1 : 0));
            var most = page == counter % Pages ? least + 1 : least;
            Assert.True(dwords[0] >= least && dwords[0] <= most, $"Page {page} is at {dwords[0]} and not {least} with counter {counter}, {Pages} pages.");
            Next(ref random);
            for (var i = 1; i < dwords.Length; i++)
                if (dwords[i] != Next(ref random)) Assert.Fail($"Page {page} is wrong from byte {i * 4}: {dwords[i]:x8} and not {random:x8}.");
        }
    }

    static uint Next(ref uint random)
    {
        random ^= random << 13;
        random ^= random >> 17;
        return random ^= random << 5;
    }
}
