using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>The parts of a stream to a receiver of ours, in their order.</summary>
enum StreamStep
{
    Magic, Configuration, ReturnPath, FirstPing, ExtensionPing, Announcement, RamStart, RamPart, SwitchoverStart, RamEnd, Cpus, Devices,
    GlobalState, Eof, Description, Run,
}

/// <summary>
/// Writes a valid stream about a guest that stands, with the production writer, as far as a test wants; what comes then is the
/// test's affair. Its pages come stale first, then as raw, zero and XBZRLE records, and of a guest that was announced the last quarter
/// once more as runs and sparse pages, so that every kind is in it.
/// </summary>
sealed class StreamBuilder(MemoryGuest guest, PipeWriter pipe, Guid migration, bool verify = false, string? name = null)
{
    readonly VmDescription _description = new();
    readonly List<long> _boundaries = [0];
    StreamStep _next;
    uint _sections = 1;
    bool _hasNamedBlock;
    bool _isAnnounced;

    public WireWriter Wire { get; } = new(pipe);

    /// <summary>As this source sends it.</summary>
    public uint ExtensionPing { get; init; } = Handshake.ExtensionPing;

    /// <summary>Whether the records of the extension's version 2 are among those of an announced guest.</summary>
    public bool HasRuns { get; init; } = true;

    /// <summary>Offsets at which a record begins or ends; RAM records count.</summary>
    public IReadOnlyList<long> Boundaries => _boundaries;

    /// <summary>Writes everything that is missing up to a part, and that part.</summary>
    public StreamBuilder UpTo(StreamStep last)
    {
        for (; _next <= last; _next++) Write(_next);
        Wire.Flush();
        return this;
    }

    /// <summary>Goes on as if these parts had been written.</summary>
    public StreamBuilder Without(params ReadOnlySpan<StreamStep> steps)
    {
        foreach (var step in steps)
        {
            UpTo(step - 1);
            _next = step + 1;
        }
        return this;
    }

    void Write(StreamStep step)
    {
        switch (step)
        {
            case StreamStep.Magic: Magic(); break;
            case StreamStep.Configuration: Configuration(StreamConstants.MachineNone); break;
            case StreamStep.ReturnPath: CommandRecord.Write(Wire, CommandType.OpenReturnPath); break;
            case StreamStep.FirstPing: CommandRecord.WritePing(Wire, Handshake.FirstPing); break;
            case StreamStep.ExtensionPing: CommandRecord.WritePing(Wire, ExtensionPing); break;
            case StreamStep.Announcement: Announce(); break;
            case StreamStep.RamStart: Ram(RecordType.SectionStart, BlockList); break;
            case StreamStep.RamPart: Ram(RecordType.SectionPart, StalePages); break;
            case StreamStep.SwitchoverStart: CommandRecord.Write(Wire, CommandType.SwitchoverStart); break;
            case StreamStep.RamEnd: Ram(RecordType.SectionEnd, FinalPages); break;
            case StreamStep.Cpus: foreach (var cpu in guest.Cpus) Device(CpuState.Take(cpu, guest.Memory.Ram.Pages)); break;
            case StreamStep.Devices: Device(guest.Timer); Device(guest.Counter); break;
            case StreamStep.GlobalState: RunState(); break;
            case StreamStep.Eof: Wire.Byte((byte)RecordType.Eof); break;
            case StreamStep.Description: _description.Write(Wire); break;
            case StreamStep.Run: CommandRecord.Write(Wire, CommandType.Run); break;
        }
        Mark();
    }

    /// <summary>A record ends here.</summary>
    public void Mark()
    {
        if (_boundaries[^1] != Wire.Position) _boundaries.Add(Wire.Position);
    }

    void Magic()
    {
        Wire.UInt32(StreamConstants.Magic);
        Wire.UInt32(StreamConstants.Version);
    }

    public void Configuration(string machine)
    {
        Wire.Byte((byte)RecordType.Configuration);
        Wire.UInt32((uint)machine.Length);
        Wire.Bytes(System.Text.Encoding.UTF8.GetBytes(machine));
    }

    /// <summary>POSTCOPY_ADVISE, with the pages that we have.</summary>
    public StreamBuilder Advise()
    {
        Span<byte> sizes = [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
        CommandRecord.Write(Wire, CommandType.PostcopyAdvise, sizes);
        Mark();
        return this;
    }

    /// <summary>One range of pages that come anew.</summary>
    public StreamBuilder Discard(long first, long count)
    {
        var payload = new byte[1 + 4 + 1 + 16];
        (payload[1], payload[2], payload[3], payload[4]) = (3, (byte)'r', (byte)'a', (byte)'m');
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(payload.AsSpan(6), first * GuestMemory.PageSize);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(payload.AsSpan(14), count * GuestMemory.PageSize);
        CommandRecord.Write(Wire, CommandType.PostcopyRamDiscard, payload);
        Mark();
        return this;
    }

    /// <summary>LISTEN and all that is not RAM, as one package; what else is in it is the test's affair.</summary>
    public StreamBuilder Package(Action<StreamBuilder>? write = null)
    {
        var bytes = new BytesWriter();
        var inner = new StreamBuilder(guest, bytes, migration) { _sections = 100 };
        if (write is null) inner.Listen().Write(StreamStep.Cpus, StreamStep.Devices, StreamStep.GlobalState);
        else write(inner);
        inner.Wire.Flush();
        Span<byte> length = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, bytes.Written.Length);
        CommandRecord.Write(Wire, CommandType.Packaged, length);
        Wire.Bytes(bytes.Written);
        Mark();
        return this;
    }

    public StreamBuilder Listen()
    {
        CommandRecord.Write(Wire, CommandType.PostcopyListen);
        return this;
    }

    /// <summary>These parts and no others.</summary>
    public void Write(params ReadOnlySpan<StreamStep> steps)
    {
        foreach (var step in steps) Write(step);
    }

    /// <summary>The next page names its block.</summary>
    public void ForgetBlock() => _hasNamedBlock = false;

    void Announce()
    {
        _isAnnounced = true;
        var section = new SectionHeader(++_sections, GuestAnnouncement.Section, 0, GuestAnnouncement.Version);
        section.WriteNamed(Wire, RecordType.SectionFull);
        new GuestAnnouncement(name ?? guest.Name, guest.Uuid, migration, guest.MemorySize, guest.ProcessorCount, verify).Write(Wire);
        section.WriteFooter(Wire);
    }

    /// <summary>A section of RAM.</summary>
    public void Ram(RecordType type, Action body)
    {
        var section = new SectionHeader(1, StreamConstants.RamSection, 0, StreamConstants.RamVersion);
        if (type == RecordType.SectionStart) section.WriteNamed(Wire, type);
        else section.WriteBare(Wire, type);
        body();
        Wire.UInt64(RamFlags.Eos);
        section.WriteFooter(Wire);
    }

    void BlockList()
    {
        Wire.UInt64((ulong)guest.MemorySize | RamFlags.MemSize);
        Wire.Name(StreamConstants.RamSection);
        Wire.UInt64((ulong)guest.MemorySize);
    }

    void StalePages()
    {
        var stale = new byte[GuestMemory.PageSize];
        for (long page = 0; page < guest.Memory.Ram.Pages; page++)
        {
            guest.Memory.Ram.Page(page).CopyTo(stale);
            if (page % 4 == 0) stale[100] ^= 0xFF;
            if (page % 4 == 1) stale.AsSpan().Fill((byte)page);
            if (page % 4 == 2) Zero(page);
            if (page % 4 < 2) Raw(page, stale);
        }
    }

    void FinalPages()
    {
        for (long page = 0; page < guest.Memory.Ram.Pages; page++)
        {
            var bytes = guest.Memory.Ram.Page(page);
            if (page % 4 == 0) Difference(page, [100, 1, bytes[100]]);
            else if (PageContent.IsZero(bytes)) Zero(page);
            else Raw(page, bytes);
        }
        if (_isAnnounced && HasRuns) Runs(guest.Memory.Ram.Pages * 3 / 4, guest.Memory.Ram.Pages);
    }

    void Runs(long first, long end)
    {
        var encoded = new byte[GuestMemory.PageSize];
        for (var count = 1; first < end; first += count, count = (int)Math.Min(count % 7 + 1, end - first))
        {
            var bytes = guest.Memory.Ram.Span(first * GuestMemory.PageSize, count * GuestMemory.PageSize);
            var length = count == 1 ? XbzrleEncoder.EncodePlain(new byte[GuestMemory.PageSize], bytes, encoded) : XbzrleEncoder.Overflow;
            if (!bytes.ContainsAnyExcept((byte)0)) ZeroRun(first, count);
            else if (length != XbzrleEncoder.Overflow) Sparse(first, encoded.AsSpan(0, length));
            else Run(first, bytes);
        }
    }

    public void Raw(long page, ReadOnlySpan<byte> bytes)
    {
        Page(page, RamFlags.Page);
        Wire.Bytes(bytes);
        Mark();
    }

    public void Zero(long page)
    {
        Page(page, RamFlags.Zero);
        Wire.Byte(0);
        Mark();
    }

    public void Difference(long page, ReadOnlySpan<byte> encoded)
    {
        Page(page, RamFlags.Xbzrle);
        Wire.Byte(1);
        Wire.UInt16((ushort)encoded.Length);
        Wire.Bytes(encoded);
        Mark();
    }

    /// <summary>Pages that lie together.</summary>
    public void Run(long first, ReadOnlySpan<byte> bytes)
    {
        Page(first, RamFlags.Run);
        Wire.UInt32((uint)(bytes.Length / GuestMemory.PageSize));
        Wire.Bytes(bytes);
        Mark();
    }

    /// <summary>Zero pages that lie together.</summary>
    public void ZeroRun(long first, int count)
    {
        Page(first, RamFlags.Run | RamFlags.Zero);
        Wire.UInt32((uint)count);
        Mark();
    }

    /// <summary>A page as its difference to zeros.</summary>
    public void Sparse(long page, ReadOnlySpan<byte> encoded)
    {
        Page(page, RamFlags.Run | RamFlags.Xbzrle);
        Wire.UInt16((ushort)encoded.Length);
        Wire.Bytes(encoded);
        Mark();
    }

    void Page(long page, ulong flag)
    {
        Wire.UInt64(((ulong)page * GuestMemory.PageSize) | flag | (_hasNamedBlock ? RamFlags.Continue : 0));
        if (!_hasNamedBlock) Wire.Name(StreamConstants.RamSection);
        _hasNamedBlock = true;
    }

    void Device(IDeviceState device)
    {
        var section = new SectionHeader(++_sections, device.Description.Name, device.Instance, device.Description.Version);
        section.WriteNamed(Wire, RecordType.SectionFull);
        DeviceSection.WriteBody(Wire, device.Description);
        section.WriteFooter(Wire);
        _description.Add(device.Instance, device.Description);
        Mark();
    }

    void RunState()
    {
        var section = new SectionHeader(++_sections, GlobalState.Section, 0, GlobalState.Version);
        section.WriteNamed(Wire, RecordType.SectionFull);
        GlobalState.Write(Wire, isRunning: true);
        section.WriteFooter(Wire);
        _description.Add(GlobalState.Section, 0, GlobalState.BodySize);
    }
}
