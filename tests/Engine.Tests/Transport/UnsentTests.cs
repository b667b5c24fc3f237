using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>In postcopy little waits in the system of the sending end: a page that is asked for would wait behind it.</summary>
public sealed class UnsentTests
{
    // IPPROTO_TCP, TCP_NOTSENT_LOWAT.
    const int Level = 6;
    const int Option = 25;

    [Fact]
    public void A_link_over_TCP_is_told_so_when_its_first_page_of_a_postcopy_goes()
    {
        using var pair = new Pair();
        using var guest = new Idle();
        var writer = new WireWriter(pair.Connection.Output);
        var saver = new RamSaver(guest.Guest) { SendsRuns = true };
        saver.SaveSetup(writer);
        saver.BeginPostcopy(writer);
        var before = pair.Unsent();
        // Nobody reads: it is to fit.
        saver.SavePostcopy(writer, 1);
        Assert.Equal(1, saver.NormalPages);
        if (OperatingSystem.IsLinux()) Assert.NotEqual(before, pair.Unsent());
        if (OperatingSystem.IsLinux()) Assert.Equal(64 << 10, pair.Unsent());
        saver.Cleanup();
    }

    [Fact]
    public void With_TLS_too()
    {
        using var pair = new Pair();
        using var tls = new TlsConnection(pair.Connection, new TlsCredentials(TlsPki.Shared.Client, isServer: false));
        new WireWriter(tls.Output).LimitUnsent(64 << 10);
        if (OperatingSystem.IsLinux()) Assert.Equal(64 << 10, pair.Unsent());
    }

    [Fact]
    public void A_local_link_has_more_room_than_the_system_gives_and_gives_it_back()
    {
        using var near = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var before = near.SendBufferSize;
        using var connection = new SocketConnection(near, "far");
        var room = near.SendBufferSize;
        ((BlockPipeWriter)connection.Output).LimitUnsent(64 << 10);
        if (!OperatingSystem.IsLinux()) return;
        Assert.True(room > before, $"{room} bytes, and {before} before.");
        Assert.InRange(near.SendBufferSize, 64 << 10, room - 1);
    }

    [Fact]
    public void A_link_that_is_gone_says_so_when_it_is_written_to()
    {
        using var pair = new Pair();
        var output = (BlockPipeWriter)pair.Connection.Output;
        pair.Connection.Dispose();
        output.LimitUnsent(1 << 10);
    }

    sealed class Pair : IDisposable
    {
        readonly Socket _near = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        readonly Socket _far;

        public Pair()
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            _near.Connect(listener.LocalEndPoint!);
            _far = listener.Accept();
            Connection = new SocketConnection(_near, "far");
        }

        public SocketConnection Connection { get; }

        public int Unsent()
        {
            Span<byte> value = stackalloc byte[4];
            if (OperatingSystem.IsLinux()) _near.GetRawSocketOption(Level, Option, value);
            return BitConverter.ToInt32(value);
        }

        public void Dispose()
        {
            Connection.Dispose();
            _far.Dispose();
        }
    }

    sealed class Idle : IDisposable
    {
        public MemoryGuest Guest { get; } = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Idle, 1 << 20) with { Content = GuestContent.Random, ContentSize = 0 });

        public void Dispose() => Guest.Remove();
    }
}
