using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>QEMU's names of what a virtual machine does (RunState of qapi/run-state.json), and what they mean here.</summary>
static class QemuRunState
{
    public const string Running = "running";
    public const string Paused = "paused";
    public const string Prelaunch = "prelaunch";
    public const string Shutdown = "shutdown";

    /// <summary>Asleep (ACPI S3): its program stopped it, and a device or system_wakeup goes on with it.</summary>
    public const string Sleeping = "suspended";

    public const string InMigrate = "inmigrate";
    public const string FinishMigrate = "finish-migrate";
    public const string PostMigrate = "postmigrate";

    /// <summary>What a run state is called here; one that is not known here is Stopped.</summary>
    public static GuestState ToGuestState(string runState) => runState switch
    {
        Running => GuestState.Running,
        Paused or Prelaunch or Sleeping => GuestState.Suspended,
        FinishMigrate => GuestState.FinishMigrate,
        PostMigrate => GuestState.PostMigrate,
        InMigrate => GuestState.InMigrate,
        _ => GuestState.Stopped,
    };

    /// <summary>
    /// The run state after an event. STOP does not say why, nor is there one when a state follows another in which the machine stands
    /// still too: query-status says more.
    /// </summary>
    public static string After(QmpEvent what, string before) => what.Name switch
    {
        "STOP" when before == Running => Paused,
        "RESUME" or "WAKEUP" => Running,
        "SUSPEND" => Sleeping,
        "SHUTDOWN" => Shutdown,
        "MIGRATION" when before == FinishMigrate && what.Data.Text("status") == "completed" => PostMigrate,
        _ => before,
    };
}
