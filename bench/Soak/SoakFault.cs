namespace PsMigrate.Bench.Soak;

/// <summary>What happens to a link.</summary>
enum SoakFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Both directions end in order.</summary>
    Cut,

    /// <summary>Both ends are reset.</summary>
    Reset,

    /// <summary>The source's direction ends, the way back stays.</summary>
    HalfClose,

    /// <summary>Nothing passes for a second, then all of it.</summary>
    Stall,

    /// <summary>Nothing passes any more, and nobody is told.</summary>
    Silence,

    /// <summary>Each piece is late from here on.</summary>
    Delay,

    /// <summary>Bytes go one by one from here on, for a while.</summary>
    Trickle,
}

/// <summary>A fault, and behind how many bytes of the source's it comes.</summary>
readonly record struct SoakFaultPlan(SoakFault Fault, long After);
