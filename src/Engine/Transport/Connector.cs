using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Connects to a receiver.</summary>
static class Connector
{
    /// <summary>Connects by TCP or to a unix socket.</summary>
    public static IConnection Connect(MigrationUri uri, TimeSpan timeout, CancellationToken cancel) => throw new NotImplementedException();
}
