using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>What a guest's vCPUs do.</summary>
public enum GuestWorkload
{
    /// <summary>Nothing.</summary>
    Idle,

    /// <summary>One page after the other.</summary>
    Sequential,

    /// <summary>Any page, all alike.</summary>
    Random,

    /// <summary>Few pages often, many seldom: the frequency of a page falls with its rank, as Zipf's law has it.</summary>
    HotSpot,

    /// <summary>Adds one to the first byte of every page in turn, as QEMU's own migration test does; a torn copy shows.</summary>
    WalkingIncrement,
}

/// <summary>The fixed part of one vCPU's program.</summary>
/// <param name="Workload">What it does.</param>
/// <param name="Content">What it writes.</param>
/// <param name="FirstPage">The first page of its share.</param>
/// <param name="PageCount">The pages of its share; no other vCPU writes them.</param>
/// <param name="WriteSize">Bytes of one write, a multiple of 8, at most a page.</param>
/// <param name="TicksPerSecond">Writes per second; 0 is as fast as it can.</param>
readonly record struct GuestProgram(
    GuestWorkload Workload, GuestContent Content, long FirstPage, long PageCount, int WriteSize, double TicksPerSecond)
{
    /// <summary>
    /// Ranks are scattered over the share by this step, since hot pages of real guests do not lie side by side: near the
    /// golden ratio of the share, with no factor in common with it, so that ranks map to pages one to one.
    /// </summary>
    public ulong Scatter { get; } = ScatterStep((ulong)PageCount);

    static ulong ScatterStep(ulong count)
    {
        var step = (ulong)(((UInt128)count * Generator.Gamma) >> 64) | 1;
        while (Gcd(step, count) > 1) step += 2;
        return step;
    }

    static ulong Gcd(ulong a, ulong b)
    {
        while (b != 0) (a, b) = (b, a % b);
        return a;
    }
}

/// <summary>The registers of a vCPU: all that a tick depends on besides memory.</summary>
struct CpuRegisters
{
    /// <summary>Ticks done.</summary>
    public ulong Tick;

    /// <summary>The page of its share that comes next (sequential programs).</summary>
    public ulong Cursor;

    /// <summary>The state of the generator.</summary>
    public ulong Random;
}

/// <summary>One tick of each program: one write into one page. Depends on registers and memory only, never on time.</summary>
static unsafe class GuestTick
{
    /// <summary>Runs one tick; marks the page after the store.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(in GuestProgram program, ref CpuRegisters cpu, RamBlock ram) =>
        Touch(program, ref cpu, ram, Begin(program, ref cpu, out var draw), draw);

    /// <summary>
    /// Runs one tick if the page that it needs is there. Else the page is returned, and registers and memory are as before; -1 when it ran.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long RunChecked(in GuestProgram program, ref CpuRegisters cpu, RamBlock ram, PageFaults faults)
    {
        var before = cpu;
        var page = Begin(program, ref cpu, out var draw);
        if (faults.IsMissing(ram, page))
        {
            cpu = before;
            return page;
        }
        Touch(program, ref cpu, ram, page, draw);
        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static long Begin(in GuestProgram program, ref CpuRegisters cpu, out ulong draw)
    {
        draw = Generator.Next(ref cpu.Random);
        return program.FirstPage + (long)NextPage(program, ref cpu, draw);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Touch(in GuestProgram program, ref CpuRegisters cpu, RamBlock ram, long page, ulong draw)
    {
        var bytes = ram.PageForWrite(page);
        if (program.Workload == GuestWorkload.WalkingIncrement)
            Volatile.Write(ref *bytes, (byte)(*bytes + 1));
        else
            Write(program, bytes, draw);
        ram.Wrote(page);
        Volatile.Write(ref cpu.Tick, cpu.Tick + 1);
    }

    static ulong NextPage(in GuestProgram program, ref CpuRegisters cpu, ulong draw)
    {
        var count = (ulong)program.PageCount;
        switch (program.Workload)
        {
            case GuestWorkload.Random:
                return Generator.Below(draw, count);
            case GuestWorkload.HotSpot:
                return HotPage(draw, count, program.Scatter);
            default:
                var page = cpu.Cursor;
                cpu.Cursor = page + 1 == count ? 0 : page + 1;
                return page;
        }
    }

    /// <summary>
    /// Zipf with exponent 1 in integers: every octave of ranks (1, 2–3, 4–7, …) is as likely as the next, ranks inside one
    /// alike.
    /// </summary>
    static ulong HotPage(ulong draw, ulong count, ulong scatter)
    {
        var octaves = (uint)BitOperations.Log2(count) + 1;
        var first = 1UL << (int)Generator.Below(draw, octaves);
        var rank = first - 1 + Generator.Below(Generator.Mix(draw), Math.Min(first, count - first + 1));
        return (ulong)(((UInt128)rank * scatter) % count);
    }

    static void Write(in GuestProgram program, byte* page, ulong draw)
    {
        var size = program.WriteSize;
        var slots = (ulong)((GuestMemory.PageSize - size) / 8) + 1;
        var at = page + (8 * (long)(Generator.Mix(draw ^ Generator.Gamma) % slots));
        if (size == 8) *(ulong*)at = Generator.Mix(draw);
        else if (program.Content == GuestContent.Text) ContentFill.Text(new Span<byte>(at, size), draw);
        else ContentFill.Random(new Span<byte>(at, size), draw);
    }
}
