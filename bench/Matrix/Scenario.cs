using System.Globalization;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>A guest and the limits under which it migrates. Sizes in MiB, rates in MiB/s.</summary>
/// <param name="Memory">Its memory, all of it random.</param>
/// <param name="Load">What it does.</param>
/// <param name="WorkingSet">Where, from the start of its memory; 0 is everywhere.</param>
/// <param name="Rate">Pages written.</param>
/// <param name="Cap">The limit on the bandwidth; 0 is none.</param>
/// <param name="Downtime">The downtime allowed, ms.</param>
/// <param name="WriteSize">Bytes of one write: 8 make small differences, 4096 none.</param>
sealed record Scenario(int Memory, GuestLoad Load, int WorkingSet, int Rate, int Cap, int Downtime, int WriteSize = GuestMemory.PageSize)
{
    const long Mebibyte = 1 << 20;

    /// <summary>What is asked for: by QEMU's rule and nothing else, which is what a forecast goes through.</summary>
    public MigrationParameters Parameters => new()
    {
        MaxBandwidth = Cap * Mebibyte, MaxDowntime = TimeSpan.FromMilliseconds(Downtime), Policy = MigrationPolicy.Find("Qemu"),
    };

    /// <summary>The same with leave to slow the guest down as far as any policy does, under which policies are compared.</summary>
    public MigrationParameters WithLeave => Parameters with { MaxThrottle = 99 };

    /// <summary>The guest; what its program can't do by itself, <see cref="LoadDriver"/> does.</summary>
    public GuestOptions Guest(string name) => new()
    {
        Name = name, MemorySize = Memory * Mebibyte, Workload = Workload, WorkingSet = WorkingSet * Mebibyte, DirtyRate = WholeRate * Mebibyte,
        ProcessorCount = Load == GuestLoad.Growing ? LoadDriver.GrowingCpus : 1, WriteSize = WriteSize, Seed = 7,
        Content = Load == GuestLoad.Walking ? GuestContent.Zero : GuestContent.Random,
    };

    GuestWorkload Workload => Load switch
    {
        GuestLoad.Idle => GuestWorkload.Idle,
        GuestLoad.Sequential => GuestWorkload.Sequential,
        GuestLoad.Zipf => GuestWorkload.HotSpot,
        GuestLoad.Walking => GuestWorkload.WalkingIncrement,
        _ => GuestWorkload.Random,
    };

    /// <summary>One that stands half of the time writes twice as fast in the other half; of a set that grows each part writes alone at first.</summary>
    long WholeRate => Load switch
    {
        GuestLoad.Phases => 2 * Rate,
        GuestLoad.Growing => Rate * LoadDriver.GrowingCpus,
        _ => Rate,
    };

    /// <summary>By which its results are known.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Memory} MiB {Load}{(WorkingSet > 0 ? $" in {WorkingSet}" : "")}{(Rate > 0 ? $" {Rate} MiB/s by {WriteSize}" : "")}, {(Cap == 0 ? "no cap" : $"cap {Cap}")}, {Downtime} ms");
}
