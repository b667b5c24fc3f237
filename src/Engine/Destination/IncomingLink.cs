using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The main channel of an incoming migration: what comes, which one thread reads, and what is answered on the return path, which any thread
/// may send.
/// </summary>
sealed class IncomingLink
{
    readonly Lock _sending = new();
    volatile IConnection _connection;
    WireWriter _back;
    long _earlierBytes;
    // The block of the last request.
    string? _requested;

    public IncomingLink(IConnection connection) => Replace(connection);

    /// <summary>Any thread may ask.</summary>
    public IConnection Connection => _connection;

    public WireReader Reader { get; private set; }

    /// <summary>Bytes that came, over connections that were lost too. Any thread may ask.</summary>
    public long BytesReceived => Volatile.Read(ref _earlierBytes) + _connection.BytesReceived;

    /// <summary>
    /// Goes on over another connection, at the beginning of a record; the return path is that of the new one. The thread that reads calls it,
    /// when the connection before has been cut.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="reader">What has read from it already; null when nothing has.</param>
    [MemberNotNull(nameof(_connection), nameof(_back), nameof(Reader))]
    public void Replace(IConnection connection, WireReader? reader = null)
    {
        lock (_sending)
        {
            if (_connection is { } before) Volatile.Write(ref _earlierBytes, _earlierBytes + before.BytesReceived);
            _back = new WireWriter(connection.Output);
            _requested = null;
            Reader = reader ?? new WireReader(connection.Input, MigrationSide.Source);
            _connection = connection;
        }
    }

    /// <summary>Whether the source has opened a return path; without one nothing may be sent.</summary>
    public bool HasReturnPath { get; set; }

    /// <summary>Whether it is a file or a command, which nobody can be asked about.</summary>
    public bool IsOneWay => _connection is IOneWayConnection;

    /// <summary>The version of the extension that both ends keep to, once the source has said that it is one of ours; else 0.</summary>
    public uint Extension { get; set; }

    /// <summary>Whether the source has said that it is one of ours, which understands the extension.</summary>
    public bool IsOurs { get; set; }

    public void Send(ReturnPathMessage message)
    {
        lock (_sending) message.Send(_back);
    }

    /// <inheritdoc cref="ReturnPathMessage.SendBitmap"/>
    public void SendBitmap(string block, ReadOnlySpan<ulong> received)
    {
        lock (_sending) ReturnPathMessage.SendBitmap(_back, block, received);
    }

    /// <summary>
    /// Sends, all at once, what the other end can do without: one that is gone will ask, or has completed without our word.
    /// </summary>
    public void TrySend(params ReadOnlySpan<ReturnPathMessage> messages)
    {
        try
        {
            lock (_sending)
            {
                foreach (var message in messages) message.Write(_back);
                _back.Flush();
            }
        }
        catch (Exception e) when (IsGone(e))
        {
        }
    }

    /// <summary>Asks for pages, all at once. Those of a link that breaks are lost.</summary>
    public void TryRequest(ReadOnlySpan<(RamBlock Block, long Page)> pages)
    {
        try
        {
            lock (_sending)
            {
                foreach (var (block, page) in pages)
                {
                    ReturnPathMessage.RequestPages(block.Name == _requested ? null : block.Name, (ulong)page * GuestMemory.PageSize, GuestMemory.PageSize).Write(_back);
                    _requested = block.Name;
                }
                _back.Flush();
            }
        }
        catch (Exception e) when (IsGone(e))
        {
        }
    }

    /// <summary>Says why it failed: all of it to a source of ours, and to a QEMU that it did.</summary>
    public void TellFailure(MigrationException error)
    {
        // A link that broke carries no news; a source that is not known to be ours would take SHUT for a fault of this end.
        if (!HasReturnPath || (!IsOurs && error.Side == MigrationSide.Link)) return;
        if (IsOurs) TrySend(FailureOf(error));
        else TrySend(ReturnPathMessage.Shut(1));
    }

    /// <summary>The last words to a source of ours.</summary>
    public static ReturnPathMessage[] FailureOf(MigrationException error) => [ReturnPathMessage.Failure(error.Id, error.Message), ReturnPathMessage.Shut(1)];

    // A link that is closed while it is written to may throw anything, and some of those who write have a thread of their own.
    static bool IsGone(Exception e) => e is not OutOfMemoryException;
}
