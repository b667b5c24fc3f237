using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>What one thread does with a guest's RAM when it does nothing else.</summary>
static unsafe class PlainMemory
{
    /// <summary>Looks at each page of a block in turn for a byte that is not zero, with the widest vectors, and throws when there is one.</summary>
    public static TimeSpan ScanZeros(RamBlock ram)
    {
        var clock = Stopwatch.StartNew();
        var end = ram.Address + ram.Length;
        for (var page = ram.Address; page < end; page += GuestMemory.PageSize)
            if (!(Vector512.IsHardwareAccelerated ? IsZero512(page) : IsZero256(page))) throw new BenchException("the memory is not zero.");
        return clock.Elapsed;
    }

    /// <summary>Copies a block to memory of that size.</summary>
    public static TimeSpan Copy(RamBlock ram, byte* to)
    {
        var clock = Stopwatch.StartNew();
        Buffer.MemoryCopy(ram.Address, to, ram.Length, ram.Length);
        return clock.Elapsed;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static bool IsZero512(byte* page)
    {
        for (var end = page + GuestMemory.PageSize; page < end; page += 512)
        {
            var first = Vector512.Load(page) | Vector512.Load(page + 64) | Vector512.Load(page + 128) | Vector512.Load(page + 192);
            var second = Vector512.Load(page + 256) | Vector512.Load(page + 320) | Vector512.Load(page + 384) | Vector512.Load(page + 448);
            if ((first | second) != Vector512<byte>.Zero) return false;
        }
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static bool IsZero256(byte* page)
    {
        for (var end = page + GuestMemory.PageSize; page < end; page += 256)
        {
            var first = Vector256.Load(page) | Vector256.Load(page + 32) | Vector256.Load(page + 64) | Vector256.Load(page + 96);
            var second = Vector256.Load(page + 128) | Vector256.Load(page + 160) | Vector256.Load(page + 192) | Vector256.Load(page + 224);
            if ((first | second) != Vector256<byte>.Zero) return false;
        }
        return true;
    }
}
