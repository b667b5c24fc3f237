namespace PsMigrate.Bench.Matrix;

/// <summary>What a policy came to, as one line of JSON. Times in seconds.</summary>
sealed record PolicyOutcome
{
    /// <summary>Which scenario.</summary>
    public required string Scenario { get; init; }

    /// <summary>Which policy.</summary>
    public required string Policy { get; init; }

    /// <summary>Whether it switched over within the limit of the matrix.</summary>
    public required bool Ended { get; init; }

    /// <summary>From start to end; the limit where it did not end.</summary>
    public required double Total { get; init; }

    /// <summary>How long the guest stood.</summary>
    public required double Downtime { get; init; }

    /// <summary>How long it may have stood.</summary>
    public required double MaxDowntime { get; init; }

    /// <summary>Over the link.</summary>
    public required long Bytes { get; init; }

    /// <summary>How long its vCPUs were held back, the one that was longest.</summary>
    public required double Throttled { get; init; }

    /// <summary>The most that they were, percent.</summary>
    public required int MostThrottle { get; init; }

    /// <summary>Bytes of pages that it wrote per second before.</summary>
    public required double WroteBefore { get; init; }

    /// <summary>And while it was migrated and had not been stopped, nor gone over.</summary>
    public required double WroteDuring { get; init; }

    /// <summary>For how long that was.</summary>
    public required double RanHere { get; init; }

    /// <summary>How long its vCPUs waited for pages after it went over, the one that was longest.</summary>
    public required double Blocked { get; init; }

    /// <summary>What the policy did, each kind of decision once.</summary>
    public string[] Did { get; init; } = [];

    /// <summary>The machine's load average.</summary>
    public string MachineLoad { get; init; } = "";

    /// <summary>By which it is known.</summary>
    public static string NameOf(PolicyOutcome outcome) => $"{outcome.Scenario} | {outcome.Policy}";

    /// <summary>Whether it ended, and stood no longer than allowed.</summary>
    public bool KeptItsLimit => Ended && Downtime <= MaxDowntime;

    /// <summary>How long it was held back, by a brake or for want of a page.</summary>
    public double Held => Throttled + Blocked;

    /// <summary>How many seconds' worth of what it wrote before it did not write, but for the time that it stood.</summary>
    public double LostWrites => (Slowdown * RanHere) + Blocked;

    /// <summary>Which share of its time it was held back.</summary>
    public double ThrottledShare => Total > 0 ? Math.Min(1, Throttled / Total) : 0;

    /// <summary>Which share of what it wrote before it did not write meanwhile.</summary>
    public double Slowdown => WroteBefore > 0 ? Math.Clamp(1 - (WroteDuring / WroteBefore), 0, 1) : 0;
}
