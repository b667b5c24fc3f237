using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// One channel of a multifd sender: turns batches of pages into packets (multifd_send_thread of QEMU). Its thread alone calls it, but for
/// the figures. Nothing is allocated for a page or a packet.
/// </summary>
/// <param name="connection">Behind the init packet; this object's from here on.</param>
/// <param name="findsZeros">Whether to look for zero pages.</param>
/// <param name="encoder">Compresses the pages; null sends them as they are. This object's from here on.</param>
sealed class MultifdChannel(IConnection connection, bool findsZeros, IPacketEncoder? encoder) : IDisposable
{
    readonly WireWriter _writer = new(connection.Output);
    readonly long[] _normal = new long[MultifdPacket.MaxPages];
    readonly long[] _zero = new long[MultifdPacket.MaxPages];
    int _normalCount;
    int _zeroCount;
    long _normalPages;
    long _zeroPages;
    long _bytesSent;
    long _processor;
    long _idle;
    bool _isBusy;
    long _watched = -1;
    long _lastProgress = Stopwatch.GetTimestamp();

    /// <summary>Pages with content that have left.</summary>
    public long NormalPages => Volatile.Read(ref _normalPages);

    /// <summary>Zero pages that have left.</summary>
    public long ZeroPages => Volatile.Read(ref _zeroPages);

    /// <summary>Bytes of the packets that have left.</summary>
    public long BytesSent => Volatile.Read(ref _bytesSent);

    /// <summary>How long its thread has had a processor when the last packet had left; 0 where the system does not tell.</summary>
    public TimeSpan Processor => TimeSpan.FromTicks(Volatile.Read(ref _processor));

    /// <summary>How long its thread has waited for something to send.</summary>
    public TimeSpan Idle
    {
        get => TimeSpan.FromTicks(Volatile.Read(ref _idle));
        set => Volatile.Write(ref _idle, value.Ticks);
    }

    /// <summary>What its writes have waited for.</summary>
    public LinkWaits Waits => connection.Waits;

    /// <summary>How many SYNCs it has sent. Behind the lock of its owner.</summary>
    public int Syncs { get; set; }

    /// <summary>Sends the pages in one packet. Throws ConnectionLost.</summary>
    public void Send(PageBatch batch, ulong number)
    {
        Volatile.Write(ref _isBusy, true);
        var block = batch.Block!;
        Sort(block, batch.Words);
        var normal = _normal.AsSpan(0, _normalCount);
        if (encoder is null || normal.IsEmpty) SendPlain(block, number, normal, encoder?.Method ?? MultifdMethod.None);
        else SendEncoded(block, number, normal, encoder);
        Volatile.Write(ref _normalPages, _normalPages + _normalCount);
        Volatile.Write(ref _zeroPages, _zeroPages + _zeroCount);
        Left();
    }

    /// <summary>Sends SYNC. Throws ConnectionLost.</summary>
    public void SendSync(ulong number)
    {
        Volatile.Write(ref _isBusy, true);
        MultifdPacket.Write(_writer.Pipe.GetSpan(MultifdPacket.Size), MultifdFlags.Sync, number, "", [], [], 0);
        _writer.Advance(MultifdPacket.Size);
        _writer.Flush();
        Left();
    }

    /// <summary>Whether the other end has taken nothing for so long of what is on its way. To be asked again and again, by one thread at a time.</summary>
    public bool HasStalled(TimeSpan limit)
    {
        var sent = connection.BytesSent;
        if (Volatile.Read(ref _isBusy) && sent == _watched) return Stopwatch.GetElapsedTime(_lastProgress) > limit;
        (_watched, _lastProgress) = (sent, Stopwatch.GetTimestamp());
        return false;
    }

    /// <summary>Cuts the link; any thread may.</summary>
    public void Abort() => connection.Abort();

    public void Dispose()
    {
        connection.Dispose();
        encoder?.Dispose();
    }

    void Left()
    {
        Volatile.Write(ref _bytesSent, _writer.Position);
        if (ThreadTime.Now is { } now) Volatile.Write(ref _processor, now.Ticks);
        Volatile.Write(ref _isBusy, false);
    }

    /// <summary>Tells pages with content from zero ones, in the order in which they lie.</summary>
    void Sort(RamBlock block, ReadOnlySpan<(int Word, ulong Bits)> words)
    {
        (_normalCount, _zeroCount) = (0, 0);
        foreach (var (word, bits) in words)
        {
            var zeros = findsZeros ? PageContent.ZeroBits(block, word, bits) : 0;
            _normalCount += Offsets(word, bits & ~zeros, _normal.AsSpan(_normalCount));
            _zeroCount += Offsets(word, zeros, _zero.AsSpan(_zeroCount));
        }
    }

    static int Offsets(int word, ulong bits, Span<long> to)
    {
        var count = 0;
        for (var left = bits; left != 0; left &= left - 1)
            to[count++] = (((long)word * 64) + BitOperations.TrailingZeroCount(left)) * GuestMemory.PageSize;
        return count;
    }

    /// <summary>Pages that lie together leave from where they lie; few of them are copied, which costs less than a call to the system.</summary>
    void SendPlain(RamBlock block, ulong number, ReadOnlySpan<long> normal, MultifdMethod method)
    {
        WriteHeader(block, number, normal, method, normal.Length * GuestMemory.PageSize);
        for (var i = 0; i < normal.Length;)
        {
            var first = i++;
            while (i < normal.Length && normal[i] == normal[i - 1] + GuestMemory.PageSize) i++;
            _writer.WriteThrough(block.Span(normal[first], (i - first) * GuestMemory.PageSize));
        }
        _writer.Flush();
    }

    void SendEncoded(RamBlock block, ulong number, ReadOnlySpan<long> normal, IPacketEncoder encoder)
    {
        var data = encoder.Encode(block, normal).Span;
        var since = Stopwatch.GetTimestamp();
        if (data.IsEmpty) SendPlain(block, number, normal, MultifdMethod.None);
        else SendPacked(block, number, normal, encoder.Method, data);
        encoder.Sent(Stopwatch.GetElapsedTime(since));
    }

    void SendPacked(RamBlock block, ulong number, ReadOnlySpan<long> normal, MultifdMethod method, ReadOnlySpan<byte> data)
    {
        WriteHeader(block, number, normal, method, data.Length);
        _writer.Bytes(data);
        _writer.Flush();
    }

    void WriteHeader(RamBlock block, ulong number, ReadOnlySpan<long> normal, MultifdMethod method, int dataSize)
    {
        MultifdPacket.Write(_writer.Pipe.GetSpan(MultifdPacket.Size), (uint)method, number, block.Name, normal, _zero.AsSpan(0, _zeroCount), dataSize);
        _writer.Advance(MultifdPacket.Size);
    }
}
