using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>When the preempt channel is connected, and how it begins and ends; settled before anything is connected.</summary>
enum PreemptStyle
{
    /// <summary>QEMU up to 7.2, or a machine type of it: with the main channel, and it ends with EOS (x-preempt-pre-7-2).</summary>
    Early,

    /// <summary>QEMU since 8.0: right before the switch, and it ends when it is closed.</summary>
    Late,

    /// <summary>A guest of ours to a receiver of ours: right before the switch, with JOIN.</summary>
    Joined,
}

/// <summary>Which style a destination takes.</summary>
static class PreemptPlan
{
    static readonly Version LateSince = new(8, 0);

    /// <summary>Of a QEMU, by its release and the machine type of the guest. Throws PeerVersionUnknown.</summary>
    public static PreemptStyle ForQemu(Version release, string machine) =>
        release < LateSince || MultifdDialect.MachineRelease(machine, "-PostcopyPreempt") < LateSince ? PreemptStyle.Early : PreemptStyle.Late;
}
