using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>What a connection is for, as its first four bytes tell.</summary>
enum ConnectionKind
{
    /// <summary>A main stream, or what is no migration at all.</summary>
    Main,

    /// <summary>A multifd channel.</summary>
    Multifd,

    /// <summary>A COMMAND record: the main channel of a postcopy that recovers.</summary>
    Recovery,

    /// <summary>RAM records without more: a preempt channel of a postcopy.</summary>
    Preempt,

    /// <summary>The greeting of TLS, where nobody speaks it.</summary>
    Tls,

    /// <summary>It has ended without a byte.</summary>
    Nothing,
}

/// <summary>Looks at the first bytes of a connection and leaves them there (migration_channel_read_peek of QEMU).</summary>
static class FirstWord
{
    const int Size = 4;

    // A page lies below 16 TiB, so that twenty bits of its word are zero.
    const uint OffsetMask = 0xFFFFF000;

    /// <summary>Waits for four bytes, or the end. Throws ConnectionLost.</summary>
    public static ConnectionKind Peek(PipeReader pipe)
    {
        while (true)
        {
            var read = pipe.ReadAsync();
            var result = read.IsCompletedSuccessfully ? read.Result : read.AsTask().GetAwaiter().GetResult();
            var buffer = result.Buffer;
            if (buffer.Length >= Size || result.IsCompleted)
            {
                var kind = Classify(buffer);
                // Not consumed and not examined: who reads next gets all of it.
                pipe.AdvanceTo(buffer.Start);
                return kind;
            }
            pipe.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    static ConnectionKind Classify(ReadOnlySequence<byte> buffer)
    {
        if (buffer.IsEmpty) return ConnectionKind.Nothing;
        if (buffer.Length < Size) return ConnectionKind.Main;
        Span<byte> bytes = stackalloc byte[Size];
        buffer.Slice(0, Size).CopyTo(bytes);
        var word = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        return word switch
        {
            MultifdInit.Magic => ConnectionKind.Multifd,
            // The record of a handshake, and the major version of all TLS.
            _ when bytes[0] == 0x16 && bytes[1] == 3 => ConnectionKind.Tls,
            _ when bytes[0] == (byte)RecordType.Command && bytes[1] == 0 => ConnectionKind.Recovery,
            _ when (word & OffsetMask) == 0 => ConnectionKind.Preempt,
            _ => ConnectionKind.Main,
        };
    }
}
