using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

sealed partial class QemuMachine
{
    static readonly string[] Ends = ["completed", "failed", "cancelled"];

    /// <summary>What query-migrate says.</summary>
    public QemuMigrationInfo Migration => QemuMigrationInfo.Query(Qmp);

    /// <summary>Of query-migrate; none before the first migration.</summary>
    public string MigrationStatus => Migration.StatusText;

    /// <summary>Times that the dirty log was fetched in this migration (dirty-sync-count); 1 is the first pass.</summary>
    public long Iterations => Migration.Ram?.DirtySyncCount ?? 0;

    /// <summary>Switches migration capabilities on.</summary>
    public void SetCapabilities(params string[] names) =>
        Execute("migrate-set-capabilities", new { capabilities = names.Select(name => new { capability = name, state = true }) });

    /// <summary>Sets migration parameters by QEMU's names, values as QEMU wants them (bytes/s, ms).</summary>
    public void SetParameters(params (string Name, object Value)[] parameters) =>
        Execute("migrate-set-parameters", parameters.ToDictionary(one => one.Name, one => one.Value));

    /// <summary>
    /// Keeps a precopy migration of a guest that dirties memory from an end: 16 MiB/s, downtime 1 ms, so four pages left are too many. As QEMU's own migration tests
    /// do, with <see cref="EnsureConverge"/>, so that how many passes there are depends on no timing.
    /// </summary>
    public void EnsureNonConverge() => SetParameters(("max-bandwidth", 16 << 20), ("downtime-limit", 1));

    /// <summary>Lets it end after the pass that it is in: 10 GB/s, downtime 30 s.</summary>
    public void EnsureConverge() => SetParameters(("max-bandwidth", 10_000_000_000), ("downtime-limit", 30_000));

    /// <summary>Makes a machine that was started with -incoming defer listen at a free port, and gives the address.</summary>
    public string Listen()
    {
        Execute("migrate-incoming", new { uri = "tcp:127.0.0.1:0" });
        return Migration.SocketAddresses[0].ToString();
    }

    /// <summary>Starts a migration from here.</summary>
    public void Migrate(string uri) => Execute("migrate", new { uri });

    /// <summary>Makes a destination whose postcopy is paused listen there again, once its main loop has let go of the address.</summary>
    public void AwaitRecovery(string uri) => Poll.Until(() =>
    {
        try
        {
            Qmp.ExecuteOutOfBand("migrate-recover", new JsonObject { ["uri"] = uri }, Patience.Limit);
            return true;
        }
        catch (MigrationException error) when (error.Message.Contains("in use", StringComparison.Ordinal))
        {
            return false;
        }
    }, "it listens again");

    /// <summary>Returns when there were so many <see cref="Iterations"/>; an assertion fails if the migration ends before.</summary>
    public void WaitForIterations(long count)
    {
        var info = Migration;
        Poll.Until(() => (info = Migration).Ram?.DirtySyncCount >= count || Ends.Contains(info.StatusText), $"pass {count}");
        Assert.True(info.Ram?.DirtySyncCount >= count, $"The migration is {info.StatusText} before pass {count}.");
    }

    /// <summary>
    /// Returns when query-migrate says so, and the run state has followed; an assertion fails if the migration ends otherwise, or QEMU does.
    /// </summary>
    public void WaitForMigration(string status = "completed")
    {
        var last = "";
        Poll.Until(() =>
        {
            if (HasExited) Assert.Fail($"QEMU ended with {WaitForExit()}: {Errors}");
            last = MigrationStatus;
            return last == status || Ends.Contains(last);
        }, $"the migration is {status}");
        Assert.True(last == status, $"The migration is {last}: {Execute("query-migrate")}\n{Errors}");
        // A source is "completed" for an instant before its times are added up and its run state is postmigrate.
        if (Ends.Contains(status)) Poll.Until(() => RunState != "finish-migrate", "the run state follows");
    }
}
