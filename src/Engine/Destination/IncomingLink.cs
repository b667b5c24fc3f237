using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The main channel of an incoming migration: what comes, and what is answered on the return path. One thread, but for what is said to be
/// for any.
/// </summary>
sealed class IncomingLink
{
    volatile IConnection _connection;
    WireWriter _back;
    long _earlierBytes;

    public IncomingLink(IConnection connection) => Replace(connection);

    /// <summary>Any thread may ask.</summary>
    public IConnection Connection => _connection;

    public WireReader Reader { get; private set; }

    /// <summary>Bytes that came, over connections that were lost too. Any thread may ask.</summary>
    public long BytesReceived => Volatile.Read(ref _earlierBytes) + _connection.BytesReceived;

    /// <summary>Goes on over another connection, at the beginning of a record; the return path is that of the new one.</summary>
    [MemberNotNull(nameof(_connection), nameof(_back), nameof(Reader))]
    public void Replace(IConnection connection)
    {
        if (_connection is { } before) Volatile.Write(ref _earlierBytes, _earlierBytes + before.BytesReceived);
        _back = new WireWriter(connection.Output);
        Reader = new WireReader(connection.Input, MigrationSide.Source);
        _connection = connection;
    }

    /// <summary>Whether the source has opened a return path; without one nothing may be sent.</summary>
    public bool HasReturnPath { get; set; }

    /// <summary>Whether it is a file or a command, which nobody can be asked about.</summary>
    public bool IsOneWay => _connection is IOneWayConnection;

    /// <summary>The version of the extension that both ends keep to, once the source has said that it is one of ours; else 0.</summary>
    public uint Extension { get; set; }

    /// <summary>Whether the source has said that it is one of ours, which understands the extension.</summary>
    public bool IsOurs { get; set; }

    public void Send(ReturnPathMessage message) => message.Send(_back);

    /// <inheritdoc cref="ReturnPathMessage.SendBitmap"/>
    public void SendBitmap(string block, ReadOnlySpan<ulong> received) => ReturnPathMessage.SendBitmap(_back, block, received);

    /// <summary>
    /// Sends what the other end can do without: one that is gone will ask, or has completed without our word.
    /// </summary>
    public void TrySend(params ReadOnlySpan<ReturnPathMessage> messages)
    {
        try
        {
            foreach (var message in messages) Send(message);
        }
        catch (Exception e) when (e is MigrationException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    /// <summary>Says why it failed: all of it to a source of ours, and to a QEMU that it did.</summary>
    public void TellFailure(MigrationException error)
    {
        // A link that broke carries no news; a source that is not known to be ours would take SHUT for a fault of this end.
        if (!HasReturnPath || (!IsOurs && error.Side == MigrationSide.Link)) return;
        if (IsOurs) TrySend(ReturnPathMessage.Failure(error.Id, error.Message), ReturnPathMessage.Shut(1));
        else TrySend(ReturnPathMessage.Shut(1));
    }
}
