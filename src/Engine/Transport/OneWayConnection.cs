using System.IO.Pipelines;

namespace PsMigrate.Engine.Transport;

/// <summary>What files and commands share: one direction works, the other has nothing in it.</summary>
abstract class OneWayConnection(string peer) : IOneWayConnection
{
    volatile bool _isAborted;

    /// <summary>What comes in, or a reader at its end.</summary>
    public virtual PipeReader Input { get; } = PipeReader.Create(Stream.Null);

    /// <summary>What goes out, or a writer that throws away.</summary>
    public virtual PipeWriter Output { get; } = PipeWriter.Create(Stream.Null);

    public virtual long BytesSent => 0;

    public virtual long BytesReceived => 0;

    public string Peer { get; } = peer;

    /// <summary>Whether <see cref="Abort"/> was called.</summary>
    protected bool IsAborted => _isAborted;

    public virtual void Abort() => _isAborted = true;

    public void EndInput() => Abort();

    public abstract void Complete(TimeSpan timeout);

    public abstract void Dispose();
}
