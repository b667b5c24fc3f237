using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qmp;

/// <summary>Which guest a QEMU runs, and on what. What QEMU does not tell is null.</summary>
sealed record QemuIdentity
{
    const string MachineSuffix = "-machine";

    /// <summary>major.minor.micro (query-version).</summary>
    public Version? Version { get; init; }

    /// <summary>What the distributor says of the build; may be empty.</summary>
    public string Package { get; init; } = "";

    /// <summary>The guest's UUID; null where it was given none (QEMU shows zeros).</summary>
    public Guid? Uuid { get; init; }

    /// <summary>The guest's name; null where it was given none.</summary>
    public string? Name { get; init; }

    /// <summary>QEMU's RunState, for example <c>running</c>, <c>paused</c>, <c>inmigrate</c>, <c>postmigrate</c>.</summary>
    public string RunState { get; init; } = "";

    /// <summary>Whether the vCPUs run.</summary>
    public bool IsRunning { get; init; }

    /// <summary>RAM with what was plugged in, bytes.</summary>
    public long? RamSize { get; init; }

    /// <summary>How many vCPUs there are; 0 for machine none.</summary>
    public int? CpuCount { get; init; }

    /// <summary>With its version where it has versions: <c>pc-q35-10.0</c>, <c>microvm</c>, <c>none</c>.</summary>
    public string? MachineType { get; init; }

    /// <summary>Whether the guest runs on KVM; otherwise on another accelerator, such as TCG.</summary>
    public bool IsKvm { get; init; }

    /// <summary>
    /// Asks a QEMU, in any run state. A query that it refuses or does not have leaves its part empty. Throws what
    /// <see cref="QmpClient.Execute"/> throws when the connection fails.
    /// </summary>
    public static QemuIdentity Query(QmpClient client)
    {
        var version = Ask(client, "query-version");
        var status = Ask(client, "query-status");
        var memory = Ask(client, "query-memory-size-summary");
        var cpus = Ask(client, "query-cpus-fast");
        var machine = Ask(client, "qom-get", new JsonObject { ["path"] = "/machine", ["property"] = "type" }).AsText();
        return new()
        {
            Version = QmpMessage.Version(version.Field("qemu")),
            Package = version.Text("package") ?? "",
            Uuid = Guid.TryParse(Ask(client, "query-uuid").Text("UUID"), out var uuid) && uuid != Guid.Empty ? uuid : null,
            Name = Ask(client, "query-name").Text("name"),
            RunState = status.Text("status") ?? "",
            IsRunning = status.Flag("running") ?? false,
            RamSize = RamSizeOf(memory),
            CpuCount = cpus.ValueKind == JsonValueKind.Array ? cpus.GetArrayLength() : null,
            MachineType = machine?.EndsWith(MachineSuffix, StringComparison.Ordinal) == true ? machine[..^MachineSuffix.Length] : machine,
            IsKvm = Ask(client, "query-kvm").Flag("enabled") ?? false,
        };
    }

    // Hostile sizes may not add up.
    static long? RamSizeOf(JsonElement memory) => memory.Number("base-memory") is { } size and >= 0
        ? size + Math.Clamp(memory.Number("plugged-memory") ?? 0, 0, long.MaxValue - size)
        : null;

    static JsonElement Ask(QmpClient client, string command, JsonObject? arguments = null)
    {
        try
        {
            return client.Execute(command, arguments);
        }
        catch (MigrationException error) when (error.Id is MigrationErrorId.QemuRefused or MigrationErrorId.UnsupportedByQemu)
        {
            return default;
        }
    }
}
