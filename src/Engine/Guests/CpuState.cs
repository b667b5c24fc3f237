namespace PsMigrate.Engine.Guests;

/// <summary>The state of one vCPU as it travels: its program and its registers.</summary>
sealed class CpuState : IDeviceState
{
    const ulong MostTicks = 1UL << 56;

    readonly long _guestPages;
    GuestProgram _program;
    CpuRegisters _registers;
    long _firstPage;
    long _pageCount;
    GuestWorkload _workload;
    GuestContent _content;
    uint _writeSize;
    double _ticksPerSecond;
    ulong _stopAtTick;

    /// <summary>State to be loaded into; pages beyond <paramref name="guestPages"/> are refused.</summary>
    public CpuState(uint instance, long guestPages)
    {
        Instance = instance;
        _guestPages = guestPages;
        Description = new StateDescription("psmigrate/cpu", 1,
        [
            new StateField("workload", 1, () => (ulong)_workload, value => _workload = (GuestWorkload)value),
            new StateField("content", 1, () => (ulong)_content, value => _content = (GuestContent)value),
            new StateField("first_page", 8, () => (ulong)_firstPage, value => _firstPage = (long)value),
            new StateField("page_count", 8, () => (ulong)_pageCount, value => _pageCount = (long)value),
            new StateField("write_size", 4, () => _writeSize, value => _writeSize = (uint)value),
            new StateField("ticks_per_second_bits", 8, () => BitConverter.DoubleToUInt64Bits(_ticksPerSecond),
                value => _ticksPerSecond = BitConverter.UInt64BitsToDouble(value)),
            new StateField("tick", 8, () => _registers.Tick, value => _registers.Tick = value),
            new StateField("cursor", 8, () => _registers.Cursor, value => _registers.Cursor = value),
            new StateField("stop_at_tick", 8, () => _stopAtTick, value => _stopAtTick = value),
            new StateField("random", 8, () => _registers.Random, value => _registers.Random = value),
        ], []);
    }

    public uint Instance { get; }

    public StateDescription Description { get; }

    /// <summary>The state of a vCPU that stands.</summary>
    public static CpuState Take(VirtualCpu cpu, long guestPages)
    {
        var state = new CpuState((uint)cpu.Index, guestPages);
        state.Take(cpu);
        return state;
    }

    /// <summary>Takes the state of a vCPU that stands.</summary>
    public void Take(VirtualCpu cpu)
    {
        _workload = cpu.Program.Workload;
        _content = cpu.Program.Content;
        _firstPage = cpu.Program.FirstPage;
        _pageCount = cpu.Program.PageCount;
        _writeSize = (uint)cpu.Program.WriteSize;
        _ticksPerSecond = cpu.Program.TicksPerSecond;
        _registers = cpu.Registers;
        _stopAtTick = cpu.StopAtTick;
    }

    public void CheckLoaded()
    {
        const string Name = "psmigrate/cpu";
        if (!Enum.IsDefined(_workload)) throw DeviceErrors.Invalid(Name, "workload", (int)_workload);
        if (!Enum.IsDefined(_content)) throw DeviceErrors.Invalid(Name, "content", (int)_content);
        if (_firstPage < 0 || _firstPage >= _guestPages) throw DeviceErrors.Invalid(Name, "first_page", _firstPage);
        if (_pageCount <= 0 || _pageCount > _guestPages - _firstPage) throw DeviceErrors.Invalid(Name, "page_count", _pageCount);
        if (_writeSize is < 8 or > GuestMemory.PageSize || _writeSize % 8 != 0)
            throw DeviceErrors.Invalid(Name, "write_size", _writeSize);
        if (!double.IsFinite(_ticksPerSecond) || _ticksPerSecond < 0 || _ticksPerSecond > 1e12)
            throw DeviceErrors.Invalid(Name, "ticks_per_second", _ticksPerSecond);
        // Sums over all vCPUs stay in range, for as long as a guest can run.
        if (_registers.Tick > MostTicks) throw DeviceErrors.Invalid(Name, "tick", _registers.Tick);
        if (_registers.Cursor >= (ulong)_pageCount) throw DeviceErrors.Invalid(Name, "cursor", _registers.Cursor);
        _program = new GuestProgram(_workload, _content, _firstPage, _pageCount, (int)_writeSize, _ticksPerSecond);
    }

    /// <summary>A vCPU that goes on from here; after <see cref="CheckLoaded"/>.</summary>
    public VirtualCpu ToCpu(RamBlock ram) => new((int)Instance, _program, _registers, ram) { StopAtTick = _stopAtTick };
}
