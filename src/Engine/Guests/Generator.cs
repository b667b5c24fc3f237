using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so that its whole state is one register. All
/// integer, hence the same on every machine.
/// </summary>
static class Generator
{
    /// <summary>The step of the counter.</summary>
    public const ulong Gamma = 0x9E3779B97F4A7C15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Next(ref ulong state) => Mix(state += Gamma);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The same for eight numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Mix(Vector512<ulong> z)
    {
        z = (z ^ (z >> 30)) * Vector512.Create(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * Vector512.Create(0x94D049BB133111EB);
        return z ^ (z >> 31);
    }

    /// <summary>A number below <paramref name="bound"/> from 64 random bits (multiply and keep the high part).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Below(ulong bits, ulong bound) => Math.BigMul(bits, bound, out _);
}
