using System.Management.Automation;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Commands;

/// <summary>Gives guests up: vCPUs and memory are gone.</summary>
[Cmdlet(VerbsCommon.Remove, "MigrationGuest", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium,
    DefaultParameterSetName = ByGuest)]
[OutputType(typeof(void))]
public sealed class RemoveMigrationGuestCommand : GuestActionCmdlet
{
    bool _yesToAll;
    bool _noToAll;

    /// <summary>Ask nothing.</summary>
    [Parameter(HelpMessage = "Remove running guests without asking.")]
    public SwitchParameter Force { get; set; }

    private protected override void Process(Guest guest)
    {
        if (guest.Kind == GuestKind.Qemu)
        {
            // It is refused; there is nothing to ask about first.
            Try(guest.Name, () => GuestRegistry.Remove(guest));
            return;
        }
        var isRunning = guest.State == GuestState.Running;
        var action = $"Remove a guest with {Figures.Size(guest.MemorySize)} of RAM{(isRunning ? ", which is running" : "")}: "
            + "its memory is lost";
        if (!ShouldProcess(Label(guest), action) || !MayRemove(guest, isRunning)) return;
        Try(guest.Name, () => GuestRegistry.Remove(guest));
    }

    /// <summary>
    /// A running guest is of high impact and any other of medium, but an attribute holds one value only: what High would have
    /// asked, and Medium has not, is asked here. Without anybody to answer, that fails, as it should.
    /// </summary>
    bool MayRemove(Guest guest, bool isRunning)
    {
        if (!isRunning || Force || IsBound("Confirm") || Preference() != ConfirmImpact.High) return true;
        return ShouldContinue($"Guest {guest.Name} is running. Remove it, with all that is in its memory?", "Remove a running guest",
            ref _yesToAll, ref _noToAll);
    }

    ConfirmImpact Preference() =>
        LanguagePrimitives.TryConvertTo<ConfirmImpact>(GetVariableValue("ConfirmPreference"), out var impact) ? impact : ConfirmImpact.High;
}
