using System.IO.Pipelines;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>One connection of a scripted source: what is written, and what comes back, which is read at once and kept until the test asks.</summary>
sealed class ScriptedLink : IDisposable
{
    readonly object _lock = new();
    readonly List<ReturnPathMessage> _messages = [];
    readonly Dictionary<string, ulong[]> _bitmaps = [];
    readonly IConnection _connection;
    readonly Thread _thread;
    bool _isEnded;

    public ScriptedLink(IConnection connection)
    {
        _connection = connection;
        Wire = new WireWriter(connection.Output);
        _thread = new Thread(Read) { IsBackground = true, Name = "scripted source" };
        _thread.Start();
    }

    public WireWriter Wire { get; }

    public PipeWriter Output => _connection.Output;

    /// <summary>What nobody has taken yet.</summary>
    public IReadOnlyList<ReturnPathMessage> Left
    {
        get { lock (_lock) return [.. _messages]; }
    }

    /// <summary>Whether the other end has closed.</summary>
    public bool IsEnded
    {
        get { lock (_lock) return _isEnded; }
    }

    /// <summary>The next message of that type; those of other types stay.</summary>
    public ReturnPathMessage Expect(ReturnPathType type)
    {
        var found = default(ReturnPathMessage);
        Patience.Until(() => TryTake(type, out found) || IsEnded, $"{type}, and there is {string.Join(", ", Left.Select(one => one.Type))}");
        if (found.Payload is null) Assert.True(TryTake(type, out found), $"The link ends without {type}, and there is {string.Join(", ", Left.Select(Text))}");
        return found;
    }

    public bool TryTake(ReturnPathType type, out ReturnPathMessage message)
    {
        lock (_lock)
        {
            var at = _messages.FindIndex(one => one.Type == type);
            message = at < 0 ? default : _messages[at];
            if (at >= 0) _messages.RemoveAt(at);
            return at >= 0;
        }
    }

    /// <summary>The next request for a page, its number; -1 when there is none now.</summary>
    public long TryTakeRequest()
    {
        lock (_lock)
        {
            var at = _messages.FindIndex(one => one.Type is ReturnPathType.RequestPages or ReturnPathType.RequestPagesId);
            if (at < 0) return -1;
            var page = PageOf(_messages[at]);
            _messages.RemoveAt(at);
            return page;
        }
    }

    public static long PageOf(ReturnPathMessage request) =>
        (long)System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(request.Payload) / Engine.Guests.GuestMemory.PageSize;

    /// <summary>RECV_BITMAP and its answer.</summary>
    public ulong[] AskBitmap(string block = StreamConstants.RamSection)
    {
        CommandRecord.Write(Wire, CommandType.ReceiveBitmap, [(byte)block.Length, .. System.Text.Encoding.UTF8.GetBytes(block)]);
        Wire.Flush();
        Expect(ReturnPathType.ReceiveBitmap);
        lock (_lock) return _bitmaps[block];
    }

    public void Ping(uint value = Handshake.FirstPing)
    {
        CommandRecord.WritePing(Wire, value);
        Wire.Flush();
    }

    /// <summary>Header, way back, ping and its answer; then JOIN, and what is answered to that.</summary>
    public HandoverOutcome Join(Guid migration, JoinPurpose purpose)
    {
        StreamHeader.Write(Wire, StreamConstants.MachineNone);
        CommandRecord.Write(Wire, CommandType.OpenReturnPath);
        Ping(Handshake.ExtensionPing);
        Expect(ReturnPathType.Pong);
        CommandRecord.Write(Wire, CommandType.Join, [.. migration.ToByteArray(), (byte)purpose]);
        Wire.Flush();
        return (HandoverOutcome)Expect(ReturnPathType.Outcome).Payload[16];
    }

    public void Abort() => _connection.Abort();

    /// <summary>Closes in peace; what was sent arrives.</summary>
    public void Close() => _connection.Dispose();

    public void Dispose()
    {
        _connection.Abort();
        Assert.True(_thread.Join(Patience.Limit));
        _connection.Dispose();
    }

    void Read()
    {
        var reader = new WireReader(_connection.Input, MigrationSide.Destination);
        try
        {
            while (!reader.IsAtEnd()) Keep(reader);
        }
        catch (MigrationException)
        {
            // It was cut.
        }
        lock (_lock) _isEnded = true;
    }

    void Keep(WireReader reader)
    {
        var type = (ReturnPathType)reader.UInt16();
        var message = new ReturnPathMessage(type, reader.Bytes((int)reader.UInt16()));
        if (type == ReturnPathType.ReceiveBitmap)
        {
            var words = new ulong[reader.UInt64() / 8];
            foreach (ref var word in words.AsSpan()) word = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(reader.UInt64());
            Assert.Equal(0x0123456789ABCDEFUL, reader.UInt64());
            lock (_lock) _bitmaps[System.Text.Encoding.UTF8.GetString(message.Payload.AsSpan(1))] = words;
        }
        lock (_lock) _messages.Add(message);
    }

    static string Text(ReturnPathMessage message) =>
        message.Type == ReturnPathType.Failure ? $"{message.Type}: {message.ReadFailure().Text}" : $"{message.Type}";
}
