using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// State that is sent while the guest runs, in several passes (QEMU's SaveVMHandlers). Bodies of sections only; header and
/// footer are the caller's. Called by the sending thread alone.
/// </summary>
interface IIterableState
{
    /// <summary>The section that carries it.</summary>
    SectionHeader Section { get; }

    /// <summary>The body of START: what is there; from here on changes are logged (save_setup).</summary>
    void SaveSetup(WireWriter writer);

    /// <summary>The body of a PART: what is known to have changed, up to about so many bytes (save_live_iterate).</summary>
    void SaveIterate(WireWriter writer, long maxBytes);

    /// <summary>The body of END: all that is left; the guest stands (save_live_complete_precopy).</summary>
    void SaveComplete(WireWriter writer);

    /// <summary>Bytes known to be left, at no cost.</summary>
    long PendingEstimate { get; }

    /// <summary>Bytes left after a look at the log; ends a pass.</summary>
    long PendingExact();

    /// <summary>Logging off, whatever happened before.</summary>
    void Cleanup();
}
