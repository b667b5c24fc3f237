using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>
/// The host of a <c>local:</c> address, for one migration. What connects is sorted and served as at a receiver that listens: the same
/// bytes through the same code, only the sockets are missing.
/// </summary>
sealed class LocalHost : IArrivalLog
{
    readonly MigrationUri _address;
    readonly ConnectionSorter _sorter;

    public LocalHost(MigrationUri address)
    {
        _address = address;
        _sorter = new ConnectionSorter(new ReceiverOptions { HostName = address.Name }.ToPolicy(), this, () => false);
    }

    /// <summary>One more connection, with a thread at its other end.</summary>
    public IConnection Connect(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var (source, destination) = LocalLink.Create(_address.ToString());
        var arrived = new ArrivedConnection(destination);
        _sorter.Add(arrived);
        EngineThread.Start($"incoming {_address}", () => _sorter.Serve(arrived), failed: null);
        return source;
    }

    void IArrivalLog.Begins(IncomingMigration incoming)
    {
        // The source's migration tells what became of it.
    }

    void IArrivalLog.Ended(IncomingMigration incoming)
    {
    }

    void IArrivalLog.Refused(ArrivedConnection arrived, MigrationException error)
    {
    }
}
