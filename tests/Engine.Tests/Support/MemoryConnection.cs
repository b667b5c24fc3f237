using System.IO.Pipelines;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A link whose other end is a recording: all that it will ever say is known, and what it is told is kept.</summary>
sealed class MemoryConnection(ReadOnlyMemory<byte> input, int chunk = int.MaxValue, bool isSilentAtEnd = false, bool keep = true) : IConnection
{
    readonly BytesReader _input = new(input, chunk, isSilentAtEnd);
    readonly BytesWriter _output = new(keep);

    public PipeReader Input => _input;

    public PipeWriter Output => _output;

    public long BytesSent => _output.Written.Length;

    public long BytesReceived => input.Length;

    public string Peer => "memory";

    public bool IsDisposed { get; private set; }

    /// <summary>All that was sent back.</summary>
    public byte[] Written => _output.Written;

    /// <summary>The messages that a destination sent back.</summary>
    public IReadOnlyList<ReturnPathMessage> Answers()
    {
        var reader = new WireReader(new BytesReader(_output.Written), MigrationSide.Destination);
        var answers = new List<ReturnPathMessage>();
        while (!reader.IsAtEnd()) answers.Add(ReturnPathMessage.Read(reader));
        return answers;
    }

    public void Abort() => _input.Abort();

    public void EndInput() => _input.Abort();

    public void Dispose() => IsDisposed = true;
}
