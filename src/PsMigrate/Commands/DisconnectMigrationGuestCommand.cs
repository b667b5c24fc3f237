using System.Management.Automation;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Commands;

/// <summary>Lets guests of QEMUs go; in QEMU they stay as they are.</summary>
[Cmdlet(VerbsCommunications.Disconnect, "MigrationGuest", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low,
    DefaultParameterSetName = ByGuest)]
[OutputType(typeof(void))]
public sealed class DisconnectMigrationGuestCommand : GuestActionCmdlet
{
    private protected override void Process(Guest guest)
    {
        if (guest is not QemuGuest driven)
        {
            WriteFailure(new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {guest.Name} is of kind {guest.Kind} and connected to nothing. Remove-MigrationGuest gives it up."), guest.Name);
            return;
        }
        if (!ShouldProcess(Label(guest), $"Disconnect from {driven.Uri}: it goes on in QEMU as it is")) return;
        Try(guest.Name, driven.Disconnect);
    }
}
