using System.Text.Json;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

sealed partial class QemuMachine
{
    static readonly string[] Ends = ["completed", "failed", "cancelled"];

    /// <summary>Answer of query-migrate.</summary>
    public JsonElement Migration => Execute("query-migrate");

    /// <summary>Of query-migrate; none before the first migration.</summary>
    public string MigrationStatus => Migration.TryGetProperty("status", out var status) ? status.GetString()! : "none";

    /// <summary>Switches migration capabilities on.</summary>
    public void SetCapabilities(params string[] names) =>
        Execute("migrate-set-capabilities", new { capabilities = names.Select(name => new { capability = name, state = true }) });

    /// <summary>Sets migration parameters by QEMU's names, values as QEMU wants them (bytes/s, ms).</summary>
    public void SetParameters(params (string Name, object Value)[] parameters) =>
        Execute("migrate-set-parameters", parameters.ToDictionary(one => one.Name, one => one.Value));

    /// <summary>Makes a machine that was started with -incoming defer listen at a free port, and gives the address.</summary>
    public string Listen()
    {
        Execute("migrate-incoming", new { uri = "tcp:127.0.0.1:0" });
        return $"tcp:127.0.0.1:{Migration.GetProperty("socket-address")[0].GetProperty("port")}";
    }

    /// <summary>Starts a migration from here.</summary>
    public void Migrate(string uri) => Execute("migrate", new { uri });

    /// <summary>Returns when query-migrate says so; an assertion fails if the migration ends otherwise, or QEMU does.</summary>
    public void WaitForMigration(string status = "completed")
    {
        var last = "";
        Poll.Until(() =>
        {
            if (HasExited) Assert.Fail($"QEMU ended with {WaitForExit()}: {Errors}");
            last = MigrationStatus;
            return last == status || Ends.Contains(last);
        }, $"the migration is {status}");
        Assert.True(last == status, $"The migration is {last}: {Migration}\n{Errors}");
    }
}
