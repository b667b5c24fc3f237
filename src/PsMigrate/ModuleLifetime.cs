using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate;

/// <summary>
/// Remove-Module ends everything that the module runs, also for other runspaces of the process: the engine is shared by all of them.
/// Migrations first, since they give the guests back; then the receivers; then the guests, which are threads and memory of this
/// process and could not be reached without the module. Guests of a QEMU are let go and stay as they are.
/// </summary>
public sealed class ModuleLifetime : IModuleAssemblyCleanup
{
    /// <inheritdoc/>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        MigrationRegistry.CancelAll();
        ReceiverRegistry.StopAll();
        foreach (var guest in GuestRegistry.All)
        {
            try
            {
                if (guest is QemuGuest driven) driven.Disconnect();
                else GuestRegistry.Remove(guest);
            }
            catch (MigrationException error) when (error.Id == MigrationErrorId.GuestBusy)
            {
                // A migration that could not be cancelled any more is handing it over; it is not ours to stop.
            }
        }
    }
}
