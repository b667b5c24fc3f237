namespace PsMigrate.Engine.Tests.Support;

/// <summary>What befalls one direction of a link.</summary>
public enum LinkFaultKind
{
    None,

    /// <summary>Both ends see an orderly end.</summary>
    Cut,

    /// <summary>Both ends see a reset, which may overtake what was sent before.</summary>
    Reset,

    /// <summary>This direction ends; the other one goes on.</summary>
    HalfClose,

    /// <summary>Nothing more comes, and nobody says so, until <see cref="FaultProxy.Release"/>.</summary>
    Stall,

    /// <summary>One bit of the next byte is turned round.</summary>
    Flip,
}

/// <summary>How one direction of a link behaves; by itself it passes everything on at once.</summary>
/// <param name="Kind">What befalls it.</param>
/// <param name="At">Behind how many of its bytes.</param>
sealed record LinkFault(LinkFaultKind Kind = LinkFaultKind.None, long At = 0)
{
    /// <summary>Which bit is turned round, 0 to 7.</summary>
    public int Bit { get; init; }

    /// <summary>How long each piece is held.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The most bytes that pass at one time.</summary>
    public int Piece { get; init; } = 1 << 16;

    /// <summary>Bytes per second; 0 is no limit.</summary>
    public long Rate { get; init; }

    /// <summary>Whether nothing passes behind <see cref="At"/>.</summary>
    public bool Ends => Kind is not (LinkFaultKind.None or LinkFaultKind.Flip);
}
