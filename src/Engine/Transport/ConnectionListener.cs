namespace PsMigrate.Engine.Transport;

/// <summary>Listens for connections.</summary>
sealed class ConnectionListener : IDisposable
{
    ConnectionListener(MigrationUri uri) => Uri = uri;

    /// <summary>The address, with the port that was chosen.</summary>
    public MigrationUri Uri { get; }

    /// <summary>Starts to listen.</summary>
    public static ConnectionListener Listen(MigrationUri uri, int backlog = 128) => new(uri);

    /// <summary>The next connection; null after Dispose.</summary>
    public IConnection? Accept() => throw new NotImplementedException(Uri.ToString());

    public void Dispose()
    {
    }
}
