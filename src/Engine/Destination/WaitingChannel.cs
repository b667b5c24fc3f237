using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>A multifd channel that has said which one it is, and the migration it belongs to once that is known. Behind the pool's lock.</summary>
sealed class WaitingChannel(ArrivedConnection arrived, WireReader reader, MultifdInit init)
{
    public ArrivedConnection Arrived => arrived;

    /// <summary>Behind the init packet.</summary>
    public WireReader Reader => reader;

    public MultifdInit Init => init;

    /// <summary>The migration that took it; null while it waits.</summary>
    public MultifdChannels? Owner { get; set; }

    /// <summary>Whether the migration that it most likely belonged to is over.</summary>
    public bool IsOrphaned { get; set; }
}
