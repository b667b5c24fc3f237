using System.Collections.Concurrent;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>A guest that has gone over to an empty memory; pages of the one that stayed behind are brought when a test says so.</summary>
sealed class PostcopyRig : IDisposable
{
    readonly ConcurrentQueue<long> _requests = new();
    readonly SemaphoreSlim _requested = new(0);
    readonly Thread? _source;
    volatile bool _isOver;

    /// <param name="options">Of the guest.</param>
    /// <param name="tick">How far it had got when it went over.</param>
    /// <param name="answers">Whether pages that are asked for come by themselves.</param>
    public PostcopyRig(GuestOptions options, long tick = 0, bool answers = false)
    {
        Options = options;
        Source = MemoryGuest.Create(options with { DirtyRate = 0 });
        if (tick > 0)
        {
            Source.StopAtTick(tick);
            Source.Resume();
            TestGuests.WaitForTick(Source, tick);
            Source.Suspend();
            Source.StopAtTick(null);
        }
        var memory = new GuestMemory(options.MemorySize);
        Ram = new ArrivingRam(memory) { KeepsFirst = true };
        Faults = new PageFaults(options.ProcessorCount, Ram.HasCome, Request);
        Ram.Faults = Faults;
        Guest = new MemoryGuest(Source.Uuid, options.Name, options.Host, memory,
            Source.Cpus.Select(cpu => new VirtualCpu(cpu.Index, cpu.Program, cpu.Registers, memory.Ram)), new TimerDevice(), new CounterDevice());
        Guest.BeginPostcopy(Faults);
        if (!answers) return;
        _source = new Thread(Answer) { IsBackground = true };
        _source.Start();
    }

    public GuestOptions Options { get; }

    /// <summary>What stayed behind.</summary>
    public MemoryGuest Source { get; }

    public MemoryGuest Guest { get; }

    public ArrivingRam Ram { get; }

    public PageFaults Faults { get; }

    /// <summary>Pages asked for that nobody has answered, in order.</summary>
    public long[] Requests => [.. _requests];

    public long Pages => Guest.Memory.Ram.Pages;

    /// <summary>A page comes as a reader of records brings it, unless it has come.</summary>
    public void Bring(long page)
    {
        var block = Ram.Blocks[0];
        if (block.TryStoreOnce(page, Source.Memory.Ram.Page(page))) Faults.PageCame(block.Block, page, 1);
    }

    public void BringAll()
    {
        for (var page = 0L; page < Pages; page++) Bring(page);
    }

    public void WaitForFault(int processor = 0) =>
        Patience.Until(() => Guest.Cpus[processor].IsAsleep && Faults.Figures.Faults > processor, "a vCPU to wait for a page");

    public void Dispose()
    {
        _isOver = true;
        _requested.Release();
        _source?.Join();
        Guest.Lose("The test is over.");
        Guest.Remove();
        Source.Remove();
        _requested.Dispose();
    }

    void Request(RamBlock block, long page)
    {
        Assert.Same(Guest.Memory.Ram, block);
        _requests.Enqueue(page);
        _requested.Release();
    }

    void Answer()
    {
        while (true)
        {
            _requested.Wait();
            if (_isOver) return;
            if (_requests.TryDequeue(out var page)) Bring(page);
        }
    }
}
