namespace PsMigrate.Engine.Ram;

/// <summary>
/// Pages of an arriving guest that come through connections of their own (multifd). The thread that reads the main channel calls it;
/// it may wait there, and throws what ends the migration.
/// </summary>
interface IPageChannels
{
    /// <summary>MULTIFD_FLUSH was read: go on when each channel has delivered its SYNC (per-round mode).</summary>
    void FlushSeen();

    /// <summary>The EOS of a ram section was read: a mark like FLUSH in per-section mode, nothing otherwise.</summary>
    void SectionEnded();
}
