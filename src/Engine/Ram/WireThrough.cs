using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>Many bytes between memory and a link, past the blocks of its pipes where the link has such a way: only the system copies.</summary>
static class WireThrough
{
    // Bytes; fewer are not worth calls to the system of their own.
    const int Least = 64 << 10;

    // Bytes for one call to the system: the caches of the processor serve more of them badly.
    const int Piece = 1 << 20;

    /// <summary>Sends bytes from where they lie; they must stay there until it returns. Throws ConnectionLost.</summary>
    public static void WriteThrough(this WireWriter writer, ReadOnlySpan<byte> bytes)
    {
        if (writer.Pipe is not BlockPipeWriter pipe || bytes.Length < Least)
        {
            writer.Bytes(bytes);
            return;
        }
        writer.Passes(bytes.Length);
        pipe.WriteThrough(bytes);
    }

    /// <inheritdoc cref="BlockPipeWriter.LimitUnsent"/>
    public static void LimitUnsent(this WireWriter writer, int bytes) => (writer.Pipe as BlockPipeWriter)?.LimitUnsent(bytes);

    /// <summary>Throws ConnectionLost if the link was cut at this end, whatever has been received.</summary>
    public static void ThrowIfCut(this WireReader reader) => (reader.Pipe as BlockPipeReader)?.ThrowIfCut();

    /// <summary>Whether nothing has come that was not consumed, so that whoever reads would wait; false where the link can't tell.</summary>
    public static bool IsWaiting(this WireReader reader)
    {
        // What was consumed to its end is let go of.
        reader.TakeHeld([]);
        return reader.Pipe is BlockPipeReader { CanTell: true, IsWaiting: true };
    }

    /// <summary>Receives as many bytes as there is room for. Throws UnexpectedEnd, ConnectionLost.</summary>
    public static void ReadThrough(this WireReader reader, Span<byte> to)
    {
        to = to[reader.TakeHeld(to)..];
        if (reader.Pipe is not BlockPipeReader || to.Length < Least)
        {
            reader.Bytes(to);
            return;
        }
        // To the last byte, however few are left: a block would take what comes behind them, which may have its own place too.
        while (!to.IsEmpty) to = to[reader.ReadSome(to, goesThrough: true)..];
    }

    /// <summary>
    /// Receives some bytes, at least one; with <paramref name="goesThrough"/> past the blocks of the pipe, as long as nothing was read ahead.
    /// Throws UnexpectedEnd, ConnectionLost.
    /// </summary>
    public static int ReadSome(this WireReader reader, Span<byte> to, bool goesThrough)
    {
        if (reader.TakeHeld(to) is > 0 and var held) return held;
        if (goesThrough && reader.Pipe is BlockPipeReader { HasUnread: false } pipe)
        {
            var count = pipe.ReadThrough(to[..Math.Min(to.Length, Piece)]);
            if (count == 0) throw reader.Error(MigrationErrorId.UnexpectedEnd, $"The stream ends where {to.Length} more bytes were expected.");
            reader.Passed(count);
            return count;
        }
        reader.Peek(1);
        return reader.TakeHeld(to);
    }

    /// <summary>Consumes bytes that nobody wants. Throws UnexpectedEnd, ConnectionLost.</summary>
    public static void Pass(this WireReader reader, int count)
    {
        while (count > 0)
        {
            var passed = Math.Min(reader.Peek(1).Length, count);
            reader.Skip(passed);
            count -= passed;
        }
    }
}
