using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// The program of tests/WalkingGuest/paced.s with its parameters: it increments the first dword of each page of its working set in turn,
/// so many pages a second. All bytes of the working set follow from how many it has done.
/// </summary>
/// <param name="Pages">The working set.</param>
/// <param name="Rate">Pages a second.</param>
sealed record PacedGuest(int Pages, int Rate)
{
    const int First = 1 << 20;
    const int State = 0x8000;
    const int StateSize = 16;
    const int Parameters = 0x1e0;
    const int PageSize = 4096;
    const uint Magic = 0x474d5350;

    /// <summary>A disk that boots it. SeaBIOS does not read a virtio disk of a single sector, hence the padding.</summary>
    public byte[] BootImage()
    {
        var image = new byte[1 << 20];
        using var sector = typeof(PacedGuest).Assembly.GetManifestResourceStream("paced.bin")!;
        sector.ReadExactly(image.AsSpan(0, 512));
        uint[] parameters = [First, (uint)Pages, (uint)Rate];
        for (var i = 0; i < parameters.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Parameters + (4 * i)), parameters[i]);
        return image;
    }

    /// <summary>Reads the RAM of a stopped QEMU and throws unless it is what the guest's own count says. Returns that count, without the first round.</summary>
    public long Check(Qemu qemu)
    {
        var state = new byte[StateSize];
        using (var file = SavedMemory.Of(qemu, State, StateSize)) file.Read(state, 0);
        if (BinaryPrimitives.ReadUInt32LittleEndian(state) != Magic) throw new BenchException("QEMU's guest never began.");
        var count = BinaryPrimitives.ReadInt64LittleEndian(state.AsSpan(8));
        using (var ram = SavedMemory.Of(qemu, First, (long)Pages * PageSize)) CheckPages(ram, count);
        return count - Pages;
    }

    void CheckPages(SavedMemory ram, long count)
    {
        var block = new byte[256 * PageSize];
        for (long index = 0; index < Pages; index++)
        {
            var at = (int)(index * PageSize % block.Length);
            if (at == 0) ram.Read(block.AsSpan(0, (int)Math.Min(block.Length, (Pages - index) * PageSize)), index * PageSize);
            var page = block.AsSpan(at, PageSize);
            var dword = MemoryMarshal.Read<uint>(page);
            // The page it stands at may be written but not yet counted.
            var least = (uint)((count / Pages) + (index < count % Pages ? 1 : 0));
            var most = index == count % Pages ? least + 1 : least;
            if (dword < least || dword > most) throw new BenchException($"QEMU's destination has {dword} in page {index} and not {least}: a write was lost.");
            if (page[sizeof(uint)..].ContainsAnyExcept((byte)0)) throw new BenchException($"QEMU's destination has page {index} wrong.");
        }
    }
}
