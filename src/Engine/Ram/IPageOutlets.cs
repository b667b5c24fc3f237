using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>Connections of their own through which pages leave, beside the main stream (multifd of QEMU).</summary>
interface IPageOutlets
{
    /// <summary>
    /// Whether zero pages may be among those given: then they leave through the channels too. Else whoever sends the main stream
    /// looks for them, and gives only pages with content.
    /// </summary>
    bool FindsZeros { get; }

    /// <summary>Pages with content that were given. Any thread may ask.</summary>
    long NormalPages { get; }

    /// <summary>Zero pages that were given and found. Any thread may ask.</summary>
    long ZeroPages { get; }

    /// <summary>Bytes that were handed to the links of all channels. Any thread may ask.</summary>
    long BytesSent { get; }

    /// <summary>
    /// Gives pages of one block to the channel that is ready first; waits for one. Throws what a channel failed of.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="word">Which 64 pages of it.</param>
    /// <param name="bits">Which of those.</param>
    void Send(RamBlock block, int word, ulong bits);

    /// <summary>
    /// Has every channel send all that it was given, and its SYNC; the mark in the main stream is the caller's. Throws what a channel
    /// failed of.
    /// </summary>
    void Synchronize();
}
