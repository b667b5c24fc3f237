namespace PsMigrate.Engine.Protocol;

/// <summary>What a destination answers to QUERY_OUTCOME.</summary>
enum HandoverOutcome : byte
{
    /// <summary>It does not know the migration.</summary>
    Unknown = 0,

    /// <summary>It saw RUN and runs the guest.</summary>
    Running = 1,

    /// <summary>It gave the guest up, at the latest because of this question.</summary>
    Discarded = 2,

    /// <summary>Loaded, and waits for RUN; never an answer.</summary>
    Open = 3,
}
