using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A guest whose RAM is in this process. One of our own has real vCPU threads, real dirty tracking and devices with state; one that
/// was captured from a QEMU has its machine's state as it came, and nothing here can run it. All members may be called from any
/// thread. Between two ticks of its vCPUs everything in it is consistent.
/// </summary>
public sealed partial class MemoryGuest : Guest
{
    readonly Lock _lock = new();
    readonly List<VirtualCpu> _cpus;
    readonly RateMeter _rate;
    object? _owner;
    GuestState _state = GuestState.Suspended;
    string? _movedTo;

    internal MemoryGuest(
        Guid uuid, string name, string host, GuestMemory memory, IEnumerable<VirtualCpu> cpus, TimerDevice timer, CounterDevice counter)
        : base(uuid, name, host)
    {
        Memory = memory;
        _cpus = [.. cpus];
        _rate = new RateMeter(WrittenPages);
        Timer = timer;
        Counter = counter;
    }

    /// <summary>A guest that came from a QEMU.</summary>
    internal MemoryGuest(Guid uuid, string name, string host, GuestMemory memory, CapturedMachine machine)
        : this(uuid, name, host, memory, [], new TimerDevice(), new CounterDevice()) => Machine = machine;

    /// <summary>Makes a guest; it is not registered and not running. Throws InvalidSize, InvalidParameter, MemoryExceeded.</summary>
    public static MemoryGuest Create(GuestOptions options)
    {
        options.Validate();
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (options.MemorySize > available)
            throw new MigrationException(MigrationErrorId.MemoryExceeded, MigrationSide.User,
                $"A guest of {options.MemorySize} bytes is larger than the memory of this machine, {available} bytes.");
        var memory = new GuestMemory(options.MemorySize);
        var contentSize = options.ContentSize == 0 ? options.MemorySize : options.ContentSize;
        if (options.Content != GuestContent.Zero) memory.ExpectDense(memory.Ram, 0, contentSize / GuestMemory.PageSize);
        ContentFill.Fill(memory.Ram, contentSize, options.Content, options.Seed);
        var cpus = options.Programs().Select((program, index) => new VirtualCpu(index, program,
            new CpuRegisters { Random = Generator.Mix(options.Seed + (Generator.Gamma * (ulong)(index + 1))) }, memory.Ram));
        return new MemoryGuest(Guid.NewGuid(), options.Name, options.Host, memory, cpus, new TimerDevice(), new CounterDevice());
    }

    /// <inheritdoc/>
    public override GuestKind Kind => Machine is null ? GuestKind.InMemory : GuestKind.Captured;

    /// <summary>What it has beside RAM, when it was captured from a QEMU; else null.</summary>
    internal CapturedMachine? Machine { get; }

    /// <summary>QEMU's machine type, such as pc-i440fx-7.2; none for guests of our own.</summary>
    public override string MachineType => Machine?.Name ?? "none";

    /// <summary>Bytes of RAM, all blocks together.</summary>
    public override long MemorySize => Memory.Length;

    /// <summary>The blocks of its RAM, in QEMU's order.</summary>
    public GuestRamBlock[] RamBlocks => [.. Memory.Blocks.Select(block => new GuestRamBlock(block.Name, block.Length))];

    /// <summary>What was captured from a QEMU beside RAM, in the order of the stream; empty for guests of our own.</summary>
    public GuestDevice[] Devices =>
        [.. (Machine?.Sections ?? []).Select(section => new GuestDevice(section.Name, section.Instance, section.Version, section.Body.Length))];

    /// <summary>QEMU's run state of a captured machine at its switch-over, such as running or paused; null for guests of our own.</summary>
    public string? RunState => Machine?.RunState;

    /// <summary>How many vCPUs it has; 0 for memory that came from a machine without any.</summary>
    public override int ProcessorCount => Machine?.ProcessorCount ?? _cpus.Count;

    /// <summary>What its vCPUs do.</summary>
    public GuestWorkload Workload => _cpus.Count == 0 ? GuestWorkload.Idle : _cpus[0].Program.Workload;

    /// <summary>Bytes of pages that it is asked to dirty per second; 0 is as fast as it can.</summary>
    public long DirtyRate => (long)Math.Round(_cpus.Sum(cpu => cpu.Program.TicksPerSecond) * GuestMemory.PageSize);

    /// <summary>Bytes of pages that it wrote per second lately (a page written twice counts twice).</summary>
    public override double MeasuredDirtyRate => _rate.Read(WrittenPages) * GuestMemory.PageSize;

    /// <summary>Writes that the asked-for rate would have had and this machine could not run.</summary>
    public long MissedTicks => _cpus.Sum(cpu => cpu.MissedTicks);

    /// <summary>Bytes that its program writes to.</summary>
    public long WorkingSet => _cpus.Sum(cpu => cpu.Program.PageCount) * GuestMemory.PageSize;

    /// <summary>What it does now.</summary>
    public override GuestState State
    {
        get { lock (_lock) return _state; }
    }

    /// <summary>How long it has run, all hosts together.</summary>
    public TimeSpan Uptime
    {
        get { lock (_lock) return Timer.Elapsed; }
    }

    /// <summary>How often it was migrated.</summary>
    public long MigrationCount => Counter.Migrations;

    /// <summary>Writes done by each vCPU.</summary>
    public long[] Ticks => [.. _cpus.Select(cpu => (long)cpu.Tick)];

    /// <summary>Pages that its vCPUs have written in all, one that was written twice twice. Allocates nothing.</summary>
    internal long WrittenPages
    {
        get
        {
            long sum = 0;
            for (var i = 0; i < _cpus.Count; i++) sum += (long)_cpus[i].Tick;
            return sum;
        }
    }

    /// <summary>
    /// Bytes of pages that it wrote per second within the last half to whole second, or since it runs; 0 where it stands, null where it has not run
    /// long enough to say. Nobody has to have asked before.
    /// </summary>
    internal double? RecentWriteRate
    {
        get
        {
            if (State != GuestState.Running) return 0;
            var sum = 0.0;
            foreach (var cpu in _cpus)
            {
                if (cpu.RecentTicksPerSecond is not { } rate) return null;
                sum += rate;
            }
            return sum * GuestMemory.PageSize;
        }
    }

    /// <summary>Where it went, or may have gone; null while it is here.</summary>
    public override string? MovedTo => _movedTo;

    /// <summary>Whether a migration or another long operation has it.</summary>
    public override bool IsBusy
    {
        get { lock (_lock) return _owner is not null || _faults is not null || IsReserved; }
    }

    internal GuestMemory Memory { get; }

    internal IReadOnlyList<VirtualCpu> Cpus => _cpus;

    internal TimerDevice Timer { get; }

    internal CounterDevice Counter { get; }

    /// <summary>Stops the vCPUs between two ticks. Throws GuestBusy while a migration switches over.</summary>
    public override void Suspend()
    {
        lock (_lock)
        {
            if (_state == GuestState.Suspended) return;
            if (_state != GuestState.Running) throw Busy("suspended");
            StopCpus();
            RestCpus();
            _state = GuestState.Suspended;
        }
    }

    /// <summary>Every vCPU stands still when it has done so many ticks in all. Null lets them go on.</summary>
    public void StopAtTick(long? tick)
    {
        foreach (var cpu in _cpus) cpu.StopAtTick = tick is { } value ? checked((ulong)value) : ulong.MaxValue;
    }

    /// <summary>
    /// The digest of RAM; a running guest is held between two ticks meanwhile. Throws GuestBusy and GuestLost when pages are missing.
    /// </summary>
    public string Digest() => AtTickBoundary(() =>
    {
        CheckWhole("compared");
        return RamDigest.Compute(Memory);
    });

    /// <summary>Runs something while every vCPU stands between two ticks.</summary>
    internal T AtTickBoundary<T>(Func<T> action)
    {
        lock (_lock)
        {
            if (_state == GuestState.Removed) throw Gone();
            if (_state != GuestState.Running) return action();
            StopCpus();
            try
            {
                return action();
            }
            finally
            {
                StartCpus();
            }
        }
    }

    void StartCpus()
    {
        Timer.Start();
        foreach (var cpu in _cpus) cpu.Start(Name);
    }

    void StopCpus()
    {
        foreach (var cpu in _cpus) cpu.RequestStop();
        foreach (var cpu in _cpus) cpu.WaitStopped();
        Timer.Stop();
    }

    /// <summary>After <see cref="StopCpus"/>, when they will stand for long.</summary>
    void RestCpus()
    {
        foreach (var cpu in _cpus) cpu.Rest();
    }

    /// <summary>Called once, when it has been removed; it must not wait for anything.</summary>
    internal Action? WhenRemoved { get; set; }

    /// <summary>Stops it and gives its memory back; a guest that a migration has can't be removed.</summary>
    internal override void Remove()
    {
        lock (_lock)
        {
            if (_state == GuestState.Removed) return;
            if (_owner is not null) throw Busy("removed");
            CheckReserved(holder: null);
            if (_faults is not null) throw Incomplete("removed");
            StopCpus();
            RestCpus();
            _state = GuestState.Removed;
            Memory.Release();
            WhenRemoved?.Invoke();
        }
    }

    MigrationException Busy(string verb) => _state == GuestState.Removed
        ? Gone()
        : new(MigrationErrorId.GuestBusy, MigrationSide.User,
            $"Guest {Name} can't be {verb}: it is {_state}{(_owner is null ? "" : " and being migrated or measured")}.");

    MigrationException Gone() => new(MigrationErrorId.GuestNotFound, MigrationSide.User, $"Guest {Name} has been removed.");

    /// <summary>The rate between two readings at least a quarter of a second apart.</summary>
    sealed class RateMeter(long count)
    {
        readonly Lock _lock = new();
        long _time = Stopwatch.GetTimestamp();
        long _count = count;
        double _rate;

        public double Read(long count)
        {
            lock (_lock)
            {
                var elapsed = Stopwatch.GetElapsedTime(_time).TotalSeconds;
                if (elapsed < 0.25) return _rate;
                _rate = (count - _count) / elapsed;
                (_time, _count) = (Stopwatch.GetTimestamp(), count);
                return _rate;
            }
        }
    }
}
