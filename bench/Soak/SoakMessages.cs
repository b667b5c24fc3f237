namespace PsMigrate.Bench.Soak;

/// <summary>What a side is asked to do. One line of JSON; each has one answer, which may take as long as a migration does.</summary>
/// <param name="Number">The answer has the same.</param>
/// <param name="Verb">One of <see cref="SoakVerb"/>.</param>
sealed record SoakRequest(int Number, SoakVerb Verb)
{
    /// <summary>Which guest.</summary>
    public string Name { get; init; } = "";

    /// <summary>Of a new guest: its number, from which everything else follows.</summary>
    public int Guest { get; init; }

    /// <summary>Where to send it, or to go on with it.</summary>
    public string Uri { get; init; } = "";

    /// <summary>How to send it.</summary>
    public SoakJourney? Journey { get; init; }

    /// <summary>The migration that goes on.</summary>
    public int Migration { get; init; }

    /// <summary>At which tick to stand; null to go on.</summary>
    public long? Tick { get; init; }
}

/// <summary>What a side can do.</summary>
enum SoakVerb
{
    /// <summary>Makes and starts a guest.</summary>
    Create,

    /// <summary>Sends a guest; answered when that has ended or is paused.</summary>
    Migrate,

    /// <summary>Goes on with a paused migration; answered like <see cref="Migrate"/>.</summary>
    Recover,

    /// <summary>Says what a guest does.</summary>
    Look,

    /// <summary>Asks the destination of a guest in doubt, and has it go on if it is here.</summary>
    Resume,

    /// <summary>Has a guest stand at a tick, or go on.</summary>
    StopAt,

    /// <summary>The digest of a guest that stands.</summary>
    Digest,

    /// <summary>What is under way at this side, for whoever wants to know why something takes so long.</summary>
    Report,
}

/// <summary>How one migration is to go, faults of its link aside.</summary>
/// <param name="Mode">Precopy, Postcopy or Hybrid.</param>
/// <param name="Channels">Multifd channels.</param>
/// <param name="Act">What is done to it on the way.</param>
/// <param name="ActAfter">When, in milliseconds.</param>
sealed record SoakJourney(string Mode, int Channels, SoakAct Act, int ActAfter);

/// <summary>What is done to a migration on purpose.</summary>
enum SoakAct
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is cancelled.</summary>
    Cancel,

    /// <summary>It is told to go over at once, by precopy.</summary>
    Complete,

    /// <summary>It is told to go over by postcopy.</summary>
    Switch,

    /// <summary>Its link is broken by the source, if it is in postcopy.</summary>
    Pause,
}

/// <summary>The answer of a side.</summary>
/// <param name="Number">The request's.</param>
sealed record SoakAnswer(int Number)
{
    /// <summary>The state of the guest; empty when it is not here.</summary>
    public string State { get; init; } = "";

    /// <summary>Ticks of each of its vCPUs.</summary>
    public long[] Ticks { get; init; } = [];

    /// <summary>The migration.</summary>
    public int Migration { get; init; }

    /// <summary>Where the migration left its guest.</summary>
    public string Location { get; init; } = "";

    /// <summary>The id of the error; empty for none.</summary>
    public string Error { get; init; } = "";

    /// <summary>Its text.</summary>
    public string Message { get; init; } = "";

    /// <summary>Of the RAM.</summary>
    public string Digest { get; init; } = "";
}
