namespace PsMigrate.Engine.Model;

/// <summary>When the guest goes over: after its memory, or before.</summary>
public enum MigrationMode
{
    /// <summary>All of its memory is there before it runs at the destination.</summary>
    Precopy,

    /// <summary>It goes over right after the setup, and all of its memory follows it.</summary>
    Postcopy,

    /// <summary>Some passes first, then it goes over and the rest follows it, unless the rest was small enough before.</summary>
    Hybrid,
}
