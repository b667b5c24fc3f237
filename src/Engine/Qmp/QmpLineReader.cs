using System.Buffers;
using System.IO.Pipelines;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>Cuts what comes from QEMU into lines, one JSON text each. For one thread; blocks.</summary>
sealed class QmpLineReader(MigrationUri uri, PipeReader input)
{
    /// <summary>
    /// The longest line, bytes. The schema of 11.1, the longest answer of fixed size, has a quarter of a MiB; texts of the human monitor
    /// and statistics of hundreds of vCPUs have a few MiB.
    /// </summary>
    public const int MaxLine = 16 << 20;

    // A buffer that a long line made larger is not kept.
    const int MaxKept = 1 << 20;

    ArrayBufferWriter<byte> _line = new();

    /// <summary>
    /// The next line that is not blank, without its end; valid until the next call. Null when the other end has closed. Throws
    /// ConnectionLost, and QmpProtocolError for a line that is too long or, as soon as that is known, can't be a JSON object.
    /// </summary>
    public ReadOnlyMemory<byte>? Next()
    {
        if (_line.Capacity > MaxKept) _line = new();
        else _line.ResetWrittenCount();
        while (true)
        {
            var read = Read();
            var bytes = read.Buffer.FirstSpan;
            var newline = bytes.IndexOf((byte)'\n');
            Append(newline < 0 ? bytes : bytes[..newline]);
            input.AdvanceTo(read.Buffer.GetPosition(newline < 0 ? bytes.Length : newline + 1));
            if (newline >= 0 && _line.WrittenCount > 0) return _line.WrittenMemory;
            if (newline < 0 && read.IsCompleted) return null;
        }
    }

    ReadResult Read()
    {
        var read = input.ReadAsync();
        return read.IsCompleted ? read.Result : throw new InvalidOperationException("A read of a link blocks until it is complete.");
    }

    void Append(ReadOnlySpan<byte> bytes)
    {
        if (_line.WrittenCount == 0)
        {
            bytes = bytes.TrimStart(" \t\r"u8);
            if (bytes.IsEmpty) return;
            // A prompt or a banner may never end its line, so that it is not waited for.
            if (bytes[0] != '{') throw QmpErrors.NoQmp(uri, $"it sent {QmpErrors.Quote(bytes)}. {Hint(bytes)}");
        }
        if (bytes.Length > MaxLine - _line.WrittenCount)
            throw QmpErrors.NoQmp(uri, $"it sent a line of more than {MaxLine >> 20} MiB.");
        _line.Write(bytes);
    }

    static string Hint(ReadOnlySpan<byte> bytes) => bytes.IndexOf("monitor - type 'help'"u8) >= 0 || bytes.StartsWith("(qemu)"u8)
        ? "That is the human monitor (-monitor); the address needed is the one of -qmp."
        : "The address needed is the one of QEMU's -qmp.";
}
