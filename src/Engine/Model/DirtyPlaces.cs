namespace PsMigrate.Engine.Model;

/// <summary>
/// A guest that writes one page after the other, round and round. It is easy to send while the sender comes behind it and hard while it comes
/// behind the sender, so it matters where it stands.
/// </summary>
/// <param name="Position">Where it stood when it was last seen, bytes from the start of memory.</param>
/// <param name="First">Where its round begins, bytes.</param>
/// <param name="Length">How long a round is, bytes.</param>
public sealed record DirtyWalk(long Position, long First, long Length);

/// <summary>
/// Where in its memory a guest wrote: what of it the sender has passed, and what it comes to yet, is written again or goes on its way.
/// </summary>
public sealed record DirtyPlaces
{
    /// <summary>
    /// Of each of so many equal parts of the memory its share of all distinct pages that were dirtied in short intervals; their sum is 1.
    /// </summary>
    public required double[] Soon { get; init; }

    /// <summary>The same of the longest interval.</summary>
    public required double[] Late { get; init; }

    /// <summary>Of a guest that writes one page after the other; null for all others.</summary>
    public DirtyWalk? Walk { get; init; }
}
