using System.IO.Pipelines;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A duplex link to the other end. One thread reads, one writes, and both block. Pipes throw
/// <see cref="MigrationErrorId.ConnectionLost"/>; an orderly end shows as a completed read.
/// </summary>
interface IConnection : IDisposable
{
    /// <summary>What comes in. A read always returns one contiguous segment.</summary>
    PipeReader Input { get; }

    /// <summary>What goes out. Bytes leave when the buffer is full or is flushed.</summary>
    PipeWriter Output { get; }

    /// <summary>Bytes handed to the link so far. Any thread may ask.</summary>
    long BytesSent { get; }

    /// <summary>Bytes taken from the link so far. Any thread may ask.</summary>
    long BytesReceived { get; }

    /// <summary>What writing has waited for so far. Any thread may ask, also while a write waits.</summary>
    LinkWaits Waits => default;

    /// <summary>The other end, for messages.</summary>
    string Peer { get; }

    /// <summary>The subject of the certificate of the end that connected, which was verified, such as CN=web1,O=Example; null without TLS.</summary>
    string? PeerSubject => null;

    /// <summary>
    /// Whether nobody is at the other end any more, as far as that can be told without reading; false where it can't. Any thread. A link
    /// that was reset, or cut here, has been left.
    /// </summary>
    /// <param name="isAnswered">
    /// Whether the other end waits for an answer: then one that has closed in order has left too. Else it may have said all that it has to say.
    /// </param>
    bool HasLeft(bool isAnswered) => false;

    /// <summary>
    /// Cuts the link at once, from any thread, any number of times: reads and writes that wait, at both ends, end. Bytes on their
    /// way may be lost.
    /// </summary>
    void Abort();

    /// <summary>
    /// Ends reading at this end, from any thread, any number of times: a read that waits and every later one throws ConnectionLost. What
    /// is written still leaves, so that the other end can be told why.
    /// </summary>
    void EndInput();
}

/// <summary>What writing to a link has waited for, since it was made.</summary>
/// <param name="Writing">In writes: copying, and waiting until the link takes more.</param>
/// <param name="Busy">How long the link had something to send; null where it can't tell.</param>
/// <param name="Receiver">Of that, how long the other end had no room for it.</param>
readonly record struct LinkWaits(TimeSpan Writing, TimeSpan? Busy, TimeSpan Receiver)
{
    /// <summary>Between two ends with nothing in between, whoever waits in a write waits for the other end.</summary>
    public static LinkWaits WithoutLink(TimeSpan writing) => new(writing, writing, writing);

    /// <summary>Of several links; where one can't tell how long it was busy, nor can they.</summary>
    public static LinkWaits operator +(LinkWaits one, LinkWaits other) => new(one.Writing + other.Writing, one.Busy + other.Busy, one.Receiver + other.Receiver);
}
