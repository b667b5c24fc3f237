using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>What a destination has read when it can answer, or misbehave.</summary>
enum FakeStep { Connected, FirstPing, ExtensionPing, Announcement, RamStart, RamPart, SwitchoverStart, RamEnd, Description, Run }

/// <summary>
/// The scripted other end of a real source. It reads the stream with the production readers into memory of its own, and answers
/// as a destination of ours or as a QEMU does, except where a test has put something else.
/// </summary>
sealed class FakeDestination(bool isQemu = false) : IDisposable
{
    readonly Dictionary<FakeStep, Action<FakeDestination>> _script = [];
    readonly List<IDeviceState> _devices = [];
    uint _agreed;
    IConnection? _link;
    WireReader? _reader;
    GuestMemory? _memory;
    Thread? _thread;

    /// <summary>What it answers to the ping of the extension; null for what a destination of ours does.</summary>
    public uint? ExtensionPong { get; init; }

    /// <summary>RAM that has come.</summary>
    public RamLoader? Ram { get; private set; }

    public List<FakeStep> Seen { get; } = [];

    public List<string> Sections { get; } = [];

    public GuestAnnouncement? Announcement { get; private set; }

    /// <summary>Of the memory that came.</summary>
    public string? Digest { get; private set; }

    /// <summary>Whether the stream says that the guest ran.</summary>
    public bool WantsToRun { get; private set; }

    public WireWriter Back { get; private set; } = null!;

    public IConnection Link => _link!;

    public int Connections { get; private set; }

    /// <summary>Instead of the usual answer at one step.</summary>
    public FakeDestination At(FakeStep step, Action<FakeDestination> act)
    {
        _script[step] = act;
        return this;
    }

    public FakeDestination SilentAt(FakeStep step) => At(step, fake => fake.WaitForEnd());

    public FakeDestination CloseAt(FakeStep step) => At(step, fake => throw new FakeEnd());

    public FakeDestination CutAt(FakeStep step) => At(step, fake =>
    {
        fake.Link.Abort();
        throw new FakeEnd();
    });

    /// <summary>The connect function of a source: the first connection is served, later ones are refused.</summary>
    public IConnection Connect(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (++Connections > 1) throw new MigrationException(MigrationErrorId.ConnectionRefused, MigrationSide.Link, "Nobody listens there.");
        (var source, _link) = LocalLink.Create("fake");
        _reader = new WireReader(_link.Input, MigrationSide.Source);
        Back = new WireWriter(_link.Output);
        _thread = new Thread(Run) { IsBackground = true, Name = "fake destination" };
        _thread.Start();
        return source;
    }

    /// <summary>Reads on and throws away until the source ends the link.</summary>
    public void WaitForEnd()
    {
        while (!_reader!.IsAtEnd()) _reader.Skip(_reader.Peek(1).Length);
    }

    public void Join() => Assert.True(_thread?.Join(Patience.Limit) ?? true, "The fake destination hangs.");

    public void Dispose()
    {
        _link?.Abort();
        Join();
        _memory?.Release();
    }

    void Run()
    {
        try
        {
            Reach(FakeStep.Connected);
            StreamHeader.ReadMagic(_reader!);
            ConfigurationRecord.Read(_reader!);
            Ram = new RamLoader(blocks => _memory ??= new GuestMemory(blocks));
            while (ReadRecord(Ram))
            {
            }
            if (isQemu) return;
            Assert.Equal((byte)RecordType.Command, _reader!.Byte());
            Assert.Equal(CommandType.Run, CommandRecord.Read(_reader));
            Reach(FakeStep.Run);
        }
        catch (Exception e) when (e is FakeEnd or MigrationException)
        {
            // The script ends here, or the source gave up.
        }
        finally
        {
            _link!.Dispose();
        }
    }

    bool ReadRecord(RamLoader ram)
    {
        var type = (RecordType)_reader!.Byte();
        switch (type)
        {
            case RecordType.Command:
                ReadCommand();
                return true;
            case RecordType.SectionStart or RecordType.SectionFull:
                ReadSection(SectionHeader.Read(_reader), ram);
                return true;
            case RecordType.SectionPart or RecordType.SectionEnd:
                var section = new SectionHeader(_reader.UInt32(), "ram", 0, 0);
                ram.ReadBody(_reader);
                section.ReadFooter(_reader);
                Reach(type == RecordType.SectionEnd ? FakeStep.RamEnd : FakeStep.RamPart);
                return true;
            default:
                Assert.Equal(RecordType.Eof, type);
                Assert.Equal((byte)RecordType.VmDescription, _reader.Byte());
                VmDescription.Skip(_reader);
                Digest = RamDigest.Compute(_memory!);
                Reach(FakeStep.Description);
                return false;
        }
    }

    void ReadCommand()
    {
        switch (CommandRecord.Read(_reader!, out var length))
        {
            case CommandType.PostcopyAdvise:
                // It may come, and need not.
                _reader!.Skip(length);
                break;
            case CommandType.Ping:
                LastPing = _reader!.UInt32();
                Reach(LastPing == Handshake.FirstPing ? FakeStep.FirstPing : FakeStep.ExtensionPing);
                break;
            case CommandType.SwitchoverStart:
                Reach(FakeStep.SwitchoverStart);
                break;
        }
    }

    public uint LastPing { get; private set; }

    /// <summary>What READY carries: of RAM, and of the rest where both ends know that; null where nothing was asked for.</summary>
    byte[]? Digests() => !Announcement!.Verify ? null
        : [.. Convert.FromHexString(Digest!), .. _agreed >= Handshake.StateDigestVersion ? StateDigest.Compute(Announcement, _devices, WantsToRun) : []];

    void ReadSection(SectionHeader section, RamLoader ram)
    {
        Sections.Add(section.Name);
        if (section.Name == StreamConstants.RamSection) ram.ReadBody(_reader!);
        else if (section.Name == GuestAnnouncement.Section) Announcement = GuestAnnouncement.Read(_reader!);
        else if (section.Name == GlobalState.Section) WantsToRun = GlobalState.Read(_reader!);
        else
        {
            _devices.Add(Device(section));
            DeviceSection.ReadBody(_reader!, _devices[^1]);
        }
        section.ReadFooter(_reader!);
        if (section.Name == StreamConstants.RamSection) Reach(FakeStep.RamStart);
        if (section.Name == GuestAnnouncement.Section) Reach(FakeStep.Announcement);
    }

    IDeviceState Device(SectionHeader section) => section.Name switch
    {
        "psmigrate/cpu" => new CpuState(section.Instance, Announcement!.MemorySize / GuestMemory.PageSize),
        "psmigrate/timer" => new TimerDevice(),
        "psmigrate/counter" => new CounterDevice(),
        _ => throw new InvalidOperationException($"The source sent a section {section.Name}."),
    };

    void Reach(FakeStep step)
    {
        Seen.Add(step);
        if (_script.TryGetValue(step, out var act)) act(this);
        else Answer(step);
    }

    uint Pong() => isQemu || LastPing == Handshake.FirstPing ? LastPing : ExtensionPong ?? Handshake.Answer(LastPing);

    /// <summary>The usual answer.</summary>
    public void Answer(FakeStep step)
    {
        switch (step)
        {
            case FakeStep.FirstPing or FakeStep.ExtensionPing:
                ReturnPathMessage.Pong(Pong()).Send(Back);
                if (step == FakeStep.ExtensionPing) _agreed = Handshake.AgreedVersion(Pong());
                if (step == FakeStep.ExtensionPing) Ram!.AcceptsRuns = Pong() != LastPing && Handshake.AgreedVersion(Pong()) >= Handshake.RunVersion;
                break;
            case FakeStep.Announcement:
                ReturnPathMessage.Accepted.Send(Back);
                break;
            case FakeStep.Description when isQemu:
                ReturnPathMessage.Shut(0).Send(Back);
                break;
            case FakeStep.Description:
                ReturnPathMessage.Ready(Guid.NewGuid(), Digests()).Send(Back);
                break;
            case FakeStep.Run:
                ReturnPathMessage.Running(TimeSpan.Zero).Send(Back);
                ReturnPathMessage.Shut(0).Send(Back);
                break;
        }
    }
}

/// <summary>The script ends here.</summary>
sealed class FakeEnd : Exception;
