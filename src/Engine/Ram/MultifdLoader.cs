using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Reads the packets of one multifd channel and stores their pages (multifd_recv_thread of QEMU). Every count, name and offset is
/// checked before it is used. A thread of its own; nothing is allocated for a page or a packet.
/// </summary>
/// <param name="reader">The channel, behind its init packet.</param>
/// <param name="member">Its place at the barrier.</param>
/// <param name="find">The guest's memory, once the main stream has listed its blocks; null before.</param>
/// <param name="hold">Counts memory beside the guest's, before it is used; throws when there may be no more.</param>
sealed class MultifdLoader(WireReader reader, MultifdBarrier.Member member, Func<ArrivingRam?> find, Action<long> hold) : IDisposable
{
    readonly MultifdPacket _packet = new();
    ArrivingRam? _ram;
    ArrivingBlock? _block;
    PacketInflater? _inflater;
    long _normalPages;
    long _zeroPages;

    /// <summary>Pages that came with content. Any thread may ask.</summary>
    public long NormalPages => Volatile.Read(ref _normalPages);

    /// <summary>Pages that came as zero. Any thread may ask.</summary>
    public long ZeroPages => Volatile.Read(ref _zeroPages);

    /// <summary>
    /// Reads until the other end closes or the migration is over. Throws a typed error about what was read, and ConnectionLost
    /// inside a packet.
    /// </summary>
    public void Run()
    {
        while (!IsAtEnd())
        {
            _packet.Read(reader);
            if (_packet.NormalPages + _packet.ZeroPages > 0 && !TryStore()) return;
            if (_packet.IsSync && !member.Synchronize()) return;
        }
        member.Leave();
    }

    /// <summary>Gives the memory back; it must not be used any more.</summary>
    public void Dispose()
    {
        _inflater?.Dispose();
        _ram?.Memory.Release();
        _ram = null;
    }

    // Between two packets a link that breaks is an end like any other: what matters is whether the last SYNC came.
    bool IsAtEnd()
    {
        try
        {
            return reader.IsAtEnd();
        }
        catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
        {
            return true;
        }
    }

    bool TryStore()
    {
        if (!member.TryBegin()) return false;
        try
        {
            var block = Locate();
            if (_packet.NormalPages > 0) StoreNormal(block);
            foreach (var offset in _packet.Offsets[_packet.NormalPages..]) block.Clear(offset / GuestMemory.PageSize);
            Volatile.Write(ref _normalPages, _normalPages + _packet.NormalPages);
            Volatile.Write(ref _zeroPages, _zeroPages + _packet.ZeroPages);
            return true;
        }
        finally
        {
            member.End();
        }
    }

    /// <summary>The block that all pages of the packet lie in. Throws OutOfOrder, UnknownBlock, OffsetOutOfRange.</summary>
    ArrivingBlock Locate()
    {
        _ram ??= TakeMemory();
        if (_block?.Name != _packet.Block)
            _block = _ram.Find(_packet.Block) ?? throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(_packet.Block)}' is not known.");
        foreach (var offset in _packet.Offsets)
            if (offset >= _block.Length)
                throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"Offset 0x{offset:x} lies outside block '{_block.Name}' of {_block.Length} bytes.");
        return _block;
    }

    // The memory stays mapped while this thread may write into it, however the migration ends.
    ArrivingRam TakeMemory() => find() is { } ram && ram.Memory.TryAddReference()
        ? ram
        : throw reader.Error(MigrationErrorId.OutOfOrder, "A page comes before the list of RAM blocks.");

    void StoreNormal(ArrivingBlock block)
    {
        foreach (var offset in _packet.Offsets[.._packet.NormalPages]) block.Arriving(_ram!.Memory, offset / GuestMemory.PageSize);
        if (_packet.Method == MultifdMethod.None) StorePlain(block);
        else Inflater().Unpack(_packet.DataSize, block, _packet.Offsets[.._packet.NormalPages]);
    }

    /// <summary>
    /// Of the one method that all packets have which are compressed. Plain ones may lie between them: a source of ours sends such
    /// where compressing does not pay. Throws InvalidValue.
    /// </summary>
    PacketInflater Inflater()
    {
        _inflater ??= new PacketInflater(reader, _packet.Method, _packet.DataSize, hold);
        return _inflater.Method == _packet.Method
            ? _inflater
            : throw reader.Error(MigrationErrorId.InvalidValue, $"A multifd packet is of method {_packet.Method}, and one before it was of {_inflater.Method}.");
    }

    // Pages: fewer are copied out of what was read ahead.
    const int ShortestReceivedThrough = 16;

    /// <summary>Pages that lie together are received to where they belong.</summary>
    void StorePlain(ArrivingBlock block)
    {
        var offsets = _packet.Offsets[.._packet.NormalPages];
        for (var i = 0; i < offsets.Length;)
        {
            var first = i++;
            while (i < offsets.Length && offsets[i] == offsets[i - 1] + GuestMemory.PageSize) i++;
            if (i - first >= ShortestReceivedThrough) ReceiveRun(block, offsets[first] / GuestMemory.PageSize, i - first);
            else StorePages(block, offsets[first..i]);
        }
    }

    /// <summary>As many pages with each look at the buffer as it holds.</summary>
    void StorePages(ArrivingBlock block, ReadOnlySpan<long> offsets)
    {
        for (var i = 0; i < offsets.Length;)
        {
            var seen = reader.Peek(GuestMemory.PageSize);
            var at = 0;
            for (; i < offsets.Length && seen.Length - at >= GuestMemory.PageSize; at += GuestMemory.PageSize)
                block.Store(offsets[i++] / GuestMemory.PageSize, seen.Slice(at, GuestMemory.PageSize));
            reader.Skip(at);
        }
    }

    void ReceiveRun(ArrivingBlock block, long first, int count)
    {
        reader.ReadThrough(block.PagesForWrite(first, count));
        block.MarkReceived(first, count);
    }
}
