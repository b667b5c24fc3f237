using PsMigrate.Engine.Model;
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

    /// <summary>Whether the migration that it most likely belonged to is over, or nothing can come of it any more.</summary>
    public bool IsOrphaned { get; set; }

    /// <summary>
    /// Whether its source has closed it and left nothing to read, so that nothing can come of it: a channel that is used says SYNC at least. Only
    /// while it waits.
    /// </summary>
    public bool HasLeft()
    {
        // Behind the end of a link a read does not wait.
        if (!arrived.Connection.HasLeft(isAnswered: true)) return false;
        try
        {
            return reader.IsAtEnd();
        }
        catch (MigrationException)
        {
            return true;
        }
    }
}
