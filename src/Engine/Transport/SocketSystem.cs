using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace PsMigrate.Engine.Transport;

/// <summary>The calls to the operating system that sockets need and the framework does not give.</summary>
interface ISocketSystem
{
    /// <summary>Makes a socket block in the kernel again, after it was non-blocking while it connected.</summary>
    void MakeBlocking(Socket socket);

    /// <summary>Sends two pieces as one, as much of them as a blocking send takes; at least one byte of either must be left.</summary>
    int Send(Socket socket, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out SocketError error);

    /// <summary>
    /// Makes room in a local socket for more than the kernel gives it, where it can: its two ends wait for each other less often. TCP finds out
    /// by itself how much it needs.
    /// </summary>
    void Widen(Socket socket);

    /// <summary>Makes the kernel hold few bytes that it can't send yet, where it can; a send that comes then waits for less.</summary>
    void LimitUnsent(Socket socket, int bytes);

    /// <inheritdoc cref="IConnection.HasLeft"/>
    bool HasLeft(Socket socket, bool isAnswered);

    /// <summary>How long a TCP socket has had something to send, and of that, how long the other end had no room; null where the system does not tell.</summary>
    (TimeSpan All, TimeSpan Receiver)? Busy(Socket socket);

    /// <summary>Whether the file at the path is a socket.</summary>
    bool IsSocketFile(string path);
}

static class SocketSystem
{
    /// <summary>The one for this operating system.</summary>
    public static ISocketSystem Default { get; } = OperatingSystem.IsLinux() ? new LinuxSocketSystem() : new PortableSocketSystem();
}

/// <summary>
/// On Unix the framework never takes the kernel's non-blocking mark back; it emulates blocking through its event loop, which costs
/// an allocation and two changes of thread per wait. With the mark gone its calls simply block.
/// </summary>
[SupportedOSPlatform("linux")]
sealed unsafe partial class LinuxSocketSystem : ISocketSystem
{
    const int GetFlags = 3;
    const int SetFlags = 4;
    const int NonBlocking = 0x800;
    const short Error = 8;
    const short HangUp = 0x10;
    const short PeerClosed = 0x2000;
    const int CurrentDirectory = -100;
    const uint WantType = 1;
    const int TypeMask = 0xF000;
    const int TypeSocket = 0xC000;
    const int TcpLevel = 6;
    const int NotSentLowWater = 25;

    // Bytes. With the least, which is what the kernel gives by itself, a channel sleeps every 150 KiB; with 4 MiB it is as with 512 KiB.
    const int LocalRoom = 512 << 10;
    const int LeastLocalRoom = 104 << 10;

    // struct tcp_info: tcpi_busy_time and tcpi_rwnd_limited, microseconds, since Linux 4.10.
    const int TcpInfo = 11;
    const int InfoSize = 192;
    const int BusyOffset = 168;
    const int ReceiverOffset = 176;

    // struct statx is laid out alike on every architecture: 256 bytes, the mode at offset 28.
    const int StatusSize = 256;
    const int ModeOffset = 28;

    public void MakeBlocking(Socket socket)
    {
        socket.Blocking = true;
        var flags = FileControl(socket.SafeHandle, GetFlags, 0);
        // Should it fail, the emulation goes on: slower, and right.
        if (flags >= 0) _ = FileControl(socket.SafeHandle, SetFlags, flags & ~NonBlocking);
    }

    public int Send(Socket socket, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out SocketError error)
    {
        fixed (byte* one = first, two = second)
        {
            var pieces = stackalloc Piece[] { new(one, first.Length), new(two, second.Length) };
            var sent = WriteVector(socket.SafeHandle, pieces, 2);
            error = SocketError.Success;
            if (sent >= 0) return (int)sent;
        }
        // A send in the framework's way tells why, in the framework's words; or it succeeds, for the call was interrupted.
        return socket.Send(first, SocketFlags.None, out error);
    }

    // The kernel doubles it, and takes less where net.core.wmem_max is lower.
    public void Widen(Socket socket) => socket.SendBufferSize = LocalRoom;

    public void LimitUnsent(Socket socket, int bytes)
    {
        if (socket.ProtocolType == ProtocolType.Tcp) socket.SetRawSocketOption(TcpLevel, NotSentLowWater, BitConverter.GetBytes(bytes));
        else socket.SendBufferSize = Math.Max(bytes, LeastLocalRoom);
    }

    public bool HasLeft(Socket socket, bool isAnswered)
    {
        var handle = socket.SafeHandle;
        var isHeld = false;
        try
        {
            handle.DangerousAddRef(ref isHeld);
            // What has come and was not read hides the end from a read, not from this.
            var poll = new PollEntry { File = (int)handle.DangerousGetHandle(), Wanted = PeerClosed };
            return Poll(&poll, 1, 0) > 0 && (poll.Found & (isAnswered ? PeerClosed | Error | HangUp : Error)) != 0;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
        finally
        {
            if (isHeld) handle.DangerousRelease();
        }
    }

    public (TimeSpan All, TimeSpan Receiver)? Busy(Socket socket)
    {
        Span<byte> info = stackalloc byte[InfoSize];
        try
        {
            if (socket.GetRawSocketOption(TcpLevel, TcpInfo, info) < InfoSize) return null;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return null;
        }
        return (Microseconds(info[BusyOffset..]), Microseconds(info[ReceiverOffset..]));
    }

    static TimeSpan Microseconds(ReadOnlySpan<byte> field) => TimeSpan.FromMicroseconds(BitConverter.ToUInt64(field));

    public bool IsSocketFile(string path)
    {
        var status = stackalloc byte[StatusSize];
        return Status(CurrentDirectory, path, 0, WantType, status) == 0
            && (*(ushort*)(status + ModeOffset) & TypeMask) == TypeSocket;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int FileControl(SafeHandle file, int command, int value);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "writev")]
    private static partial nint WriteVector(SafeHandle file, Piece* pieces, int count);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int directory, string path, int flags, uint mask, byte* status);

    // struct pollfd.
    struct PollEntry
    {
        public int File;
        public short Wanted;
        public short Found;
    }

    // struct iovec.
    readonly struct Piece(byte* start, int length)
    {
        public readonly byte* Start = start;
        public readonly nint Length = length;
    }
}

/// <summary>The twin for every other system.</summary>
sealed class PortableSocketSystem : ISocketSystem
{
    public void MakeBlocking(Socket socket) => socket.Blocking = true;

    // The rest follows in the next send; the kernel keeps order.
    public int Send(Socket socket, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out SocketError error) =>
        socket.Send(first, SocketFlags.None, out error);

    public void Widen(Socket socket)
    {
    }

    public void LimitUnsent(Socket socket, int bytes)
    {
    }

    // What has come and was not read hides the end; then it is seen later.
    public bool HasLeft(Socket socket, bool isAnswered)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectError) || (isAnswered && socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return true;
        }
    }

    public (TimeSpan All, TimeSpan Receiver)? Busy(Socket socket) => null;

    // A socket has no content; a file without content is no loss either.
    public bool IsSocketFile(string path) => new FileInfo(path) is { Exists: true, Length: 0 };
}
