using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate;

/// <summary>
/// Remove-Module ends everything that the module runs, also for other runspaces of the process: the engine is shared by all of them.
/// Migrations first, since they give the guests back; then the receivers; then the guests, which are threads and memory of this
/// process and could not be reached without the module. A guest in postcopy is lost by that, which is said. Guests of a QEMU are let go and stay as they are.
/// </summary>
public sealed class ModuleLifetime : IModuleAssemblyCleanup
{
    /// <inheritdoc/>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        MigrationRegistry.CancelAll();
        WarnOfLoss();
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

    /// <summary>Nobody can be asked any more, and there is no cmdlet whose warning it could be.</summary>
    static void WarnOfLoss()
    {
        foreach (var guest in ReceiverRegistry.All.SelectMany(receiver => receiver.GetState().Incoming).Where(incoming => incoming.MissingPages > 0))
            Warn($"Guest {guest.Name} is in postcopy: {guest.MissingPages} pages of it are still at {guest.Peer}. The receiver ends, and the guest is lost.");
        foreach (var migration in MigrationRegistry.All.Where(one => !one.IsEnded && one.Guest is MemoryGuest && MigrationTransitions.IsPostcopy(one.Status)))
            Warn($"Migration {migration.Id} of guest {migration.Name} to {migration.Destination} is in postcopy: "
                + $"{Figures.Size(migration.GetState().Current.RemainingBytes)} of the guest or more are still here. It ends, and what the guest did since it went over is lost.");
    }

    static void Warn(string text)
    {
        using var shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddScript("$Host.UI.WriteWarningLine($args[0])").AddArgument(text);
        shell.Invoke();
    }
}
