using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Connections of their own through which pages leave, beside the main stream (multifd of QEMU). One thread gives; any may ask for the
/// figures.
/// </summary>
interface IPageOutlets
{
    /// <summary>
    /// Whether zero pages may be among those given: then they leave through the channels too. Else whoever sends the main stream
    /// looks for them, and gives only pages with content.
    /// </summary>
    bool FindsZeros { get; }

    /// <summary>Whether each section of the main stream ends with a mark, its EOS; else the mark is MULTIFD_FLUSH.</summary>
    bool MarksSections { get; }

    /// <summary>Pages with content that have left.</summary>
    long NormalPages { get; }

    /// <summary>Zero pages that have left.</summary>
    long ZeroPages { get; }

    /// <summary>Bytes that were handed to the links of all channels.</summary>
    long BytesSent { get; }

    /// <summary>The same, with what was given and has not left, as if none of it were zero or could be compressed.</summary>
    long BytesGiven { get; }

    /// <summary>
    /// Gives pages of one block to the channel that is ready first; waits for one. Throws what a channel failed of.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="word">Which 64 pages of it.</param>
    /// <param name="bits">Which of those.</param>
    void Send(RamBlock block, int word, ulong bits);

    /// <summary>Waits until all that was given has left. Throws what a channel failed of.</summary>
    void Drain();

    /// <summary>
    /// Has every channel send all that it was given, and its SYNC; the mark in the main stream is the caller's. Throws what a channel
    /// failed of.
    /// </summary>
    void Synchronize();
}
