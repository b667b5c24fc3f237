using System.Diagnostics;
using System.Net.Sockets;

namespace PsMigrate.Bench.Peers;

/// <summary>Hears a <see cref="PacedGuest"/> at its debug port, a thousand times a second while it runs, and notes when.</summary>
sealed class TickWatch : IDisposable
{
    readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    long _first;
    long _last;
    volatile bool _walks;

    public TickWatch(string path)
    {
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
        new Thread(Listen) { IsBackground = true, Name = "ticks" }.Start();
    }

    /// <summary>When it was first heard, a timestamp of <see cref="Stopwatch"/>; 0 before.</summary>
    public long First => Volatile.Read(ref _first);

    /// <summary>When it was last heard.</summary>
    public long Last => Volatile.Read(ref _last);

    /// <summary>Waits until the guest has written each page once and keeps its rate.</summary>
    public void AwaitWalk(TimeSpan limit) => Await(() => _walks, limit);

    /// <summary>Waits until it was heard at all.</summary>
    public void AwaitFirst(TimeSpan limit) => Await(() => First != 0, limit);

    public void Dispose() => _socket.Dispose();

    static void Await(Func<bool> condition, TimeSpan limit)
    {
        for (var clock = Stopwatch.StartNew(); !condition(); Thread.Sleep(1))
            if (clock.Elapsed > limit) throw new BenchException($"QEMU's guest was not heard for {limit.TotalSeconds} s.");
    }

    void Listen()
    {
        var bytes = new byte[4096];
        try
        {
            while (_socket.Receive(bytes) is > 0 and var count)
            {
                var now = Stopwatch.GetTimestamp();
                if (First == 0) Volatile.Write(ref _first, now);
                Volatile.Write(ref _last, now);
                _walks |= bytes.AsSpan(0, count).ContainsAny((byte)'W', (byte)'.');
            }
        }
        catch (SocketException)
        {
            // QEMU has ended.
        }
        catch (ObjectDisposedException)
        {
            // Nobody listens any more.
        }
    }
}
