using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>The main channel of an incoming migration: what comes, and what is answered on the return path. One thread.</summary>
sealed class IncomingLink(IConnection connection)
{
    readonly WireWriter _back = new(connection.Output);

    public IConnection Connection => connection;

    public WireReader Reader { get; } = new(connection.Input, MigrationSide.Source);

    /// <summary>Whether the source has opened a return path; without one nothing may be sent.</summary>
    public bool HasReturnPath { get; set; }

    /// <summary>Whether the source has said that it is one of ours, which understands the extension.</summary>
    public bool IsOurs { get; set; }

    public void Send(ReturnPathMessage message) => message.Send(_back);

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
