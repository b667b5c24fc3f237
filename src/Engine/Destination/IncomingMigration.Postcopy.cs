using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Postcopy: after a pass or more the source says which pages will come anew, sends its devices as one package, and then the pages that
/// are missing. A guest of ours runs from RUN on, and waits for pages that it needs. The machine of a QEMU does not run here, so that no page
/// of it is ever waited for.
/// </summary>
sealed partial class IncomingMigration
{
    // MAX_VM_CMD_PACKAGED_SIZE of QEMU.
    const uint MaxPackage = 32 << 20;

    volatile PostcopyStep _postcopy;

    /// <summary>Whether it can ask for pages as soon as the guest is here. Any thread may ask.</summary>
    public bool CanAsk => _arrival is OurArrival { CanAsk: true };

    void ReadPostcopyCommand(WireReader reader, CommandType command, int length)
    {
        switch (command, _postcopy)
        {
            case (CommandType.PostcopyAdvise, PostcopyStep.None) when MayBeAdvised:
                ReadAdvise(reader);
                break;
            case (CommandType.PostcopyRamDiscard, PostcopyStep.Advised) when _ram.Ram is not null:
                ReadDiscard(reader, length);
                break;
            case (CommandType.Packaged, PostcopyStep.Advised) when reader == _link.Reader && MayGoOver:
                ReadPackage(Package(reader));
                break;
            case (CommandType.PostcopyListen, PostcopyStep.Advised) when reader != _link.Reader:
                // Multifd channels bring pages until the switchover, and none after it.
                _channels?.Finish();
                _ram.Ram!.KeepsFirst = true;
                _postcopy = PostcopyStep.Listening;
                break;
            case (CommandType.PostcopyRun, PostcopyStep.Listening) when reader != _link.Reader && !_link.IsOurs:
                _postcopy = PostcopyStep.Running;
                break;
            case (CommandType.ReceiveBitmap, PostcopyStep.Running) when Status == MigrationStatus.PostcopyRecover:
                AnswerBitmap(reader, length);
                break;
            case (CommandType.PostcopyResume, PostcopyStep.Running) when Status == MigrationStatus.PostcopyRecover:
                GoOn();
                break;
            default:
                throw Misplaced(reader, command);
        }
    }

    // A QEMU says so before anything else, one of ours before its RAM.
    bool MayBeAdvised => _link.HasReturnPath && (_link.IsOurs ? _ram.Ram is null && _arrival is not CapturedArrival : _arrival is null);

    bool MayGoOver => _ram.Ram is not null && !_isRamComplete && _arrival is OurArrival or CapturedArrival && _link.IsOurs == _arrival is OurArrival;

    void ReadAdvise(WireReader reader)
    {
        var (pageSizes, targetPage) = (reader.UInt64(), reader.UInt64());
        if (targetPage != GuestMemory.PageSize)
            throw reader.Error(MigrationErrorId.InvalidValue, $"Target pages of {targetPage} bytes are not supported, only {GuestMemory.PageSize}.");
        _ram.AdvisedPageSizes = pageSizes;
        _postcopy = PostcopyStep.Advised;
    }

    /// <summary>Pages that will come anew.</summary>
    void ReadDiscard(WireReader reader, int length)
    {
        ArrivingBlock? block = null;
        RamDiscard.Read(reader, length, GuestMemory.PageSize,
            name => (block = _ram.Ram!.Find(name) ?? throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known.")).Length,
            (start, bytes) => block!.Discard(start / GuestMemory.PageSize, bytes / GuestMemory.PageSize));
    }

    /// <summary>Read whole before any of it is used, as in QEMU. It grows as its bytes come: a length alone reserves nothing.</summary>
    ReadOnlyMemory<byte> Package(WireReader reader)
    {
        var length = reader.UInt32();
        if (length is 0 or > MaxPackage) throw reader.Error(MigrationErrorId.InvalidLength, $"A package of {length} bytes can't be.");
        var package = new ArrayBufferWriter<byte>();
        while (package.WrittenCount < length)
        {
            var seen = reader.Peek(1);
            var count = (int)Math.Min(seen.Length, length - package.WrittenCount);
            _memory.Hold(count);
            package.Write(seen[..count]);
            reader.Skip(count);
        }
        return package.WrittenMemory;
    }

    void ReadPackage(ReadOnlyMemory<byte> package)
    {
        var reader = new WireReader(PipeReader.Create(new ReadOnlySequence<byte>(package)), MigrationSide.Source);
        _arrival!.EndRam();
        try
        {
            _arrival.Package = reader;
            while (!reader.IsAtEnd()) ReadPackaged(package.Span, reader);
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.UnexpectedEnd)
        {
            // The package ends early, not the link.
            throw _link.Reader.Error(MigrationErrorId.InvalidLength, e.Message);
        }
        finally
        {
            _arrival.Package = null;
        }
        if (_arrival is OurArrival ours) GoOver(ours);
        else if (_postcopy != PostcopyStep.Running) throw _link.Reader.Error(MigrationErrorId.OutOfOrder, "The package ends without RUN.");
        Status = MigrationStatus.PostcopyActive;
    }

    void ReadPackaged(ReadOnlySpan<byte> package, WireReader reader)
    {
        switch ((RecordType)reader.Peek(1)[0])
        {
            case RecordType.Command:
                reader.Skip(1);
                ReadCommand(reader);
                break;
            case RecordType.SectionFull when _postcopy == PostcopyStep.Listening && _arrival is CapturedArrival captured:
                reader.Skip(captured.TakePackaged(package[(int)reader.Position..]));
                break;
            case RecordType.SectionFull when _postcopy == PostcopyStep.Listening:
                reader.Skip(1);
                _arrival!.ReadSection(ReadHeader(reader));
                break;
            case var type:
                throw reader.Error(MigrationErrorId.UnknownRecord, $"Record 0x{(byte)type:x2} can't be in a package.");
        }
    }

    void GoOver(OurArrival ours)
    {
        if (_postcopy != PostcopyStep.Listening) throw _link.Reader.Error(MigrationErrorId.OutOfOrder, "The package does not begin with LISTEN.");
        // The source learns of it with RUNNING, which is later.
        ours.GoOver(_ram.Ram!, () => (_postcopy, Status) = (PostcopyStep.Running, MigrationStatus.PostcopyActive));
    }

    void AnswerBitmap(WireReader reader, int length)
    {
        var name = reader.Name();
        if (System.Text.Encoding.UTF8.GetByteCount(name) != length - 1) throw reader.Error(MigrationErrorId.InvalidLength, "A name has a wrong length.");
        var block = _ram.Ram!.Find(name) ?? throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known.");
        _link.SendBitmap(name, block.ReceivedBitmap());
    }

    /// <summary>How far a postcopy is (PostcopyState of QEMU).</summary>
    enum PostcopyStep
    {
        /// <summary>The source has not said that there may be one.</summary>
        None,

        /// <summary>There may be one; precopy goes on.</summary>
        Advised,

        /// <summary>In the package: pages come once from here on.</summary>
        Listening,

        /// <summary>The package is loaded. A link that breaks is no end any more.</summary>
        Running,
    }
}
