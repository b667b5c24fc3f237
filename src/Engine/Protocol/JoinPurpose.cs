namespace PsMigrate.Engine.Protocol;

/// <summary>What a connection that joins a migration is for: the last byte of JOIN.</summary>
enum JoinPurpose : byte
{
    /// <summary>It takes the place of a main channel that broke.</summary>
    Recovery = 0,

    /// <summary>It brings pages that the guest waits for, as page records alone.</summary>
    Preempt = 1,

    /// <summary>It says that the pages which are missing will never come, and asks what the other end then has.</summary>
    GivenUp = 2,

    /// <summary>It belongs to no migration, and finds out what the link carries.</summary>
    Probe = 3,

    /// <summary>It asks how fast the guest writes that arrived, and changes nothing.</summary>
    WriteRate = 4,
}
