using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Channels;

/// <summary>The connect function of a source whose main stream is read, and whose channels are left to the test.</summary>
sealed class UnreadChannels(FakeDestination main)
{
    readonly List<IConnection> _channels = [];

    /// <summary>The other ends, in the order in which they were connected.</summary>
    public IReadOnlyList<IConnection> Channels => _channels;

    public IConnection Connect(CancellationToken cancel)
    {
        if (main.Connections == 0) return main.Connect(cancel);
        cancel.ThrowIfCancellationRequested();
        var (source, destination) = LocalLink.Create("unread");
        _channels.Add(destination);
        return source;
    }
}
