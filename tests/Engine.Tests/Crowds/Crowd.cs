using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>Connections to a receiver that come to nothing, however long one waits.</summary>
sealed class Crowd : IDisposable
{
    readonly List<Socket> _sockets = [];

    /// <summary>So many connect, and say this and no more.</summary>
    public Crowd(MigrationReceiver receiver, int count, byte[]? word = null)
    {
        for (var i = 0; i < count; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _sockets.Add(socket);
            socket.Connect(IPAddress.Loopback, receiver.Uri.Port);
            if (word is not null) Say(socket, word);
        }
    }

    /// <summary>How many the receiver has cut.</summary>
    public int Cut => _sockets.Count(socket => socket.Poll(0, SelectMode.SelectRead));

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    /// <summary>One that was cut at once can't say it any more.</summary>
    static void Say(Socket socket, byte[] word) => socket.Send(word, SocketFlags.None, out _);

    /// <summary>A guest comes while all that goes on, and is the one that stayed.</summary>
    public static void AssertServes(MigrationReceiver receiver, TlsOptions? tls = null)
    {
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        var migration = Migration.Start(TestGuests.Create(options), receiver.Uri, new MigrationParameters { Verify = true, Tls = tls });
        Assert.True(migration.Wait(Patience.Limit), $"It hangs in {migration.GetState().Phase}.");
        Assert.True(migration.Result!.Verified, migration.Result.ToString());
        var arrived = TestGuests.On(receiver.HostName).Single(guest => guest.Name == options.Name);
        Reference.AssertIntact(options, arrived);
        GuestRegistry.Remove(arrived);
        TestGuests.RemoveAll(options.Host);
    }
}
