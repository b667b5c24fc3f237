using System.IO.Pipelines;
using System.Buffers;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>One connection of a <see cref="FakePostcopy"/>: a main channel, a recovery or a preempt channel, as its first bytes tell.</summary>
sealed class FakeLink(FakePostcopy fake, IConnection link, int number) : IDisposable
{
    const uint ExtensionMask = 0xFFFFFF00;

    readonly WireReader _reader = new(link.Input, MigrationSide.Source);
    bool _isPackaged;
    bool _isEnded;

    public int Number => number;

    public FakePostcopy Fake => fake;

    public IConnection Link => link;

    public WireWriter Back { get; } = new(link.Output);

    /// <summary>The block that RECV_BITMAP asks for.</summary>
    public ArrivingBlock? Block { get; private set; }

    public void Run()
    {
        if (_reader.IsAtEnd()) return;
        var first = _reader.Peek(1)[0];
        if (first == 'Q')
        {
            StreamHeader.ReadMagic(_reader);
            ConfigurationRecord.Read(_reader);
        }
        else if (first != (byte)RecordType.Command)
        {
            ReadPreempt();
            return;
        }
        while (!_isEnded && ReadRecord())
        {
        }
    }

    public void Cut()
    {
        link.Abort();
        throw new FakeEnd();
    }

    public void Say(params ReturnPathMessage[] messages)
    {
        foreach (var message in messages) message.Send(Back);
    }

    public void Request(long page, string? block = "ram") => ReturnPathMessage.RequestPages(block, (ulong)page * GuestMemory.PageSize, GuestMemory.PageSize).Send(Back);

    /// <summary>Reads on and throws away until the source ends the link.</summary>
    public void WaitForEnd()
    {
        while (!_reader.IsAtEnd()) _reader.Skip(_reader.Peek(1).Length);
        throw new FakeEnd();
    }

    /// <summary>What comes next on the main stream, in the middle of a step.</summary>
    public void ReadOn() => ReadRecord();

    /// <summary>The usual answer.</summary>
    public void Answer(PostcopyStep step)
    {
        switch (step)
        {
            case PostcopyStep.Announcement:
                Say(ReturnPathMessage.Accepted);
                break;
            case PostcopyStep.Package when !fake.IsQemu:
                Say(ReturnPathMessage.Ready(fake.Instance, null));
                break;
            case PostcopyStep.Run when !fake.IsQemu:
                fake.Outcome = HandoverOutcome.Running;
                Say(ReturnPathMessage.Running(TimeSpan.Zero));
                break;
            case PostcopyStep.Eof:
                Assert.Equal(0, fake.Ram.Ram!.MissingPages);
                SayLastWords();
                break;
            case PostcopyStep.Join:
                Say(ReturnPathMessage.Outcome(fake.Instance, (byte)fake.Outcome));
                break;
            case PostcopyStep.Bitmap:
                ReturnPathMessage.SendBitmap(Back, Block!.Name, Block.ReceivedBitmap());
                break;
            case PostcopyStep.Resume:
                fake.Ram.ForgetBlock();
                Say(ReturnPathMessage.ResumeAck);
                break;
        }
    }

    public void SayLastWords()
    {
        if (fake.Figures is { } figures) Say(PostcopyFiguresMessage.Of(figures));
        Say(ReturnPathMessage.Shut(0));
    }

    public void Dispose() => link.Dispose();

    bool ReadRecord()
    {
        var type = (RecordType)_reader.Byte();
        switch (type)
        {
            case RecordType.Command:
                ReadCommand(_reader);
                return true;
            case RecordType.SectionStart or RecordType.SectionFull:
                ReadSection(_reader);
                return true;
            case RecordType.SectionPart or RecordType.SectionEnd:
                var section = new SectionHeader(_reader.UInt32(), "ram", 0, 0);
                fake.Ram.ReadBody(_reader);
                section.ReadFooter(_reader);
                fake.Reach(this, type == RecordType.SectionEnd ? PostcopyStep.RamEnd : fake.Ram.Ram!.KeepsFirst ? PostcopyStep.Pages : PostcopyStep.RamPart);
                return true;
            default:
                Assert.Equal(RecordType.Eof, type);
                fake.Reach(this, PostcopyStep.Eof);
                return false;
        }
    }

    void ReadCommand(WireReader reader)
    {
        var command = CommandRecord.Read(reader, out var length);
        switch (command)
        {
            case CommandType.Ping:
                ReadPing(reader);
                break;
            case CommandType.PostcopyAdvise:
                Assert.Equal((4096UL, 4096UL), (reader.UInt64(), reader.UInt64()));
                fake.IsAdvised = true;
                fake.Reach(this, PostcopyStep.Advise);
                break;
            case CommandType.SwitchoverStart:
                fake.Reach(this, PostcopyStep.SwitchoverStart);
                break;
            case CommandType.PostcopyRamDiscard:
                ReadDiscard(reader, length);
                break;
            case CommandType.Packaged:
                ReadPackage(reader.UInt32());
                break;
            case CommandType.PostcopyListen:
                fake.Before = fake.Ram.Ram!.Blocks[0].Block.Pages - fake.Ram.Ram.MissingPages;
                fake.Ram.Ram.KeepsFirst = true;
                fake.Reach(this, PostcopyStep.Listen);
                break;
            case CommandType.PostcopyRun or CommandType.Run:
                fake.Reach(this, PostcopyStep.Run);
                break;
            case CommandType.Join:
                ReadJoin(reader);
                break;
            case CommandType.ReceiveBitmap:
                Block = fake.Ram.Ram!.Find(reader.Name());
                fake.Reach(this, PostcopyStep.Bitmap);
                break;
            case CommandType.PostcopyResume:
                fake.Reach(this, PostcopyStep.Resume);
                break;
            case CommandType.QueryOutcome:
                reader.Skip(16);
                Say(ReturnPathMessage.Outcome(fake.Instance, (byte)fake.Outcome));
                break;
        }
    }

    void ReadPing(WireReader reader)
    {
        var value = reader.UInt32();
        var isExtension = !fake.IsQemu && (value & ExtensionMask) == (Handshake.ExtensionPing & ExtensionMask);
        Say(ReturnPathMessage.Pong(isExtension ? fake.ExtensionPong ?? Handshake.Answer(value) : value));
        if (value == Handshake.FirstPing) fake.Pings++;
        if (value == 2) fake.Reach(this, PostcopyStep.SwitchPing);
    }

    void ReadJoin(WireReader reader)
    {
        var (id, purpose) = (new Guid(reader.Bytes(16)), (JoinPurpose)reader.Byte());
        Assert.Equal(fake.Announcement!.MigrationUuid, id);
        lock (fake.Joined) fake.Joined.Add(purpose);
        if (purpose == JoinPurpose.Preempt)
        {
            Say(ReturnPathMessage.Outcome(fake.Instance, (byte)HandoverOutcome.Running));
            ReadPreempt();
            _isEnded = true;
            return;
        }
        fake.Reach(this, PostcopyStep.Join);
    }

    void ReadDiscard(WireReader reader, int length)
    {
        Assert.Equal(0, reader.Byte());
        var name = reader.Name();
        var block = fake.Ram.Ram!.Find(name)!;
        Assert.Equal(0, reader.Byte());
        for (var left = length - 3 - name.Length; left > 0; left -= 16)
        {
            var (start, count) = ((long)reader.UInt64() / GuestMemory.PageSize, (long)reader.UInt64() / GuestMemory.PageSize);
            block.Discard(start, count);
            fake.Discarded += count;
        }
        fake.Reach(this, PostcopyStep.Discard);
    }

    void ReadPackage(uint length)
    {
        fake.Reach(this, PostcopyStep.PackageBegins);
        var bytes = _reader.Bytes((int)length);
        var reader = new WireReader(PipeReader.Create(new ReadOnlySequence<byte>(bytes)), MigrationSide.Source);
        Assert.False(_isPackaged, "A second package came.");
        _isPackaged = true;
        while (!reader.IsAtEnd())
        {
            if ((RecordType)reader.Byte() == RecordType.Command) ReadCommand(reader);
            else ReadSection(reader);
        }
        fake.Reach(this, PostcopyStep.Package);
    }

    void ReadSection(WireReader reader)
    {
        var section = SectionHeader.Read(reader);
        fake.Sections.Add(section.Name);
        if (section.Name == StreamConstants.RamSection) fake.Ram.ReadBody(reader);
        else if (section.Name == GuestAnnouncement.Section) fake.Announcement = GuestAnnouncement.Read(reader);
        else if (section.Name == GlobalState.Section) fake.WantsToRun = GlobalState.Read(reader);
        else DeviceSection.ReadBody(reader, Device(section));
        section.ReadFooter(reader);
        if (section.Name == StreamConstants.RamSection) fake.Reach(this, PostcopyStep.RamStart);
        if (section.Name == GuestAnnouncement.Section) fake.Reach(this, PostcopyStep.Announcement);
    }

    IDeviceState Device(SectionHeader section) => section.Name switch
    {
        "psmigrate/cpu" => new CpuState(section.Instance, fake.Announcement!.MemorySize / GuestMemory.PageSize),
        "psmigrate/timer" => new TimerDevice(),
        "psmigrate/counter" => new CounterDevice(),
        _ => throw new InvalidOperationException($"The source sent a section {section.Name}."),
    };

    /// <summary>Page records alone.</summary>
    void ReadPreempt()
    {
        PageRecords? records = null;
        while (!_reader.IsAtEnd())
        {
            var word = _reader.UInt64();
            if (word == RamFlags.Eos)
            {
                fake.PreemptEndedWithEos = true;
                return;
            }
            records ??= new PageRecords { Ram = fake.Ram.Ram, AcceptsRuns = true };
            lock (fake.Preempted) fake.Preempted.Add((long)(word / GuestMemory.PageSize));
            Assert.True(records.TryRead(_reader, word), $"RAM record 0x{word:x16} can't be.");
        }
    }
}
