using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Reads from a file or the output of a command into one block of 1 MiB.</summary>
/// <param name="stream">Read by this object alone, unbuffered.</param>
/// <param name="failed">The typed error for one of the system's.</param>
/// <param name="isAborted">Whether the link was cut at this end.</param>
/// <param name="isReady">Waits a little for bytes; where reading never waits for long there is none.</param>
sealed class StreamPipeReader(Stream stream, Func<Exception, MigrationException> failed, Func<bool> isAborted, Func<bool>? isReady = null) : BlockPipeReader
{
    const int BlockSize = 1 << 20;

    /// <summary>Goes on at another place of a file; what was received and not consumed is dropped.</summary>
    public void MoveTo(long position)
    {
        stream.Position = position;
        Restart();
    }

    public override void ThrowIfCut()
    {
        if (isAborted()) throw failed(new IOException("it was broken off."));
    }

    protected override int Receive()
    {
        MoveToFront(BlockSize);
        var count = ReceiveThrough(Block.AsSpan(End));
        End += count;
        return count;
    }

    protected override int ReceiveThrough(Span<byte> to)
    {
        try
        {
            do
            {
                if (isAborted()) throw new IOException("it was broken off.");
            }
            while (isReady?.Invoke() == false);
            return stream.Read(to);
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw failed(e);
        }
    }

    // A file never keeps anybody waiting for long.
    protected override bool IsReady() => stream.CanSeek;
}
