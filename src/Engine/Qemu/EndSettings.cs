using System.Globalization;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>A setting of a QEMU that is changed without having been asked for.</summary>
/// <param name="Name">Of the capability or parameter.</param>
/// <param name="From">What it was.</param>
/// <param name="To">What it becomes.</param>
/// <param name="Reason">Why.</param>
sealed record ChangedSetting(string Name, string From, string To, string Reason);

/// <summary>What has to be sent to one QEMU before a migration, which is only what differs from what it has.</summary>
sealed class EndSettings
{
    readonly List<(string Name, bool State)> _capabilities = [];
    readonly List<(string Name, JsonNode Value)> _parameters = [];
    readonly List<ChangedSetting> _unasked = [];

    /// <summary>The arguments of migrate-set-capabilities; null when nothing differs.</summary>
    public JsonObject? Capabilities => _capabilities.Count == 0 ? null : new JsonObject
    {
        ["capabilities"] = new JsonArray([.. _capabilities.Select(one => new JsonObject { ["capability"] = one.Name, ["state"] = one.State })]),
    };

    /// <summary>The arguments of migrate-set-parameters; null when nothing differs.</summary>
    public JsonObject? Parameters =>
        _parameters.Count == 0 ? null : new JsonObject(_parameters.Select(one => KeyValuePair.Create(one.Name, (JsonNode?)one.Value.DeepClone())));

    /// <summary>What is changed beyond what the user asked for.</summary>
    public ChangedSetting[] Unasked => [.. _unasked];

    /// <summary>Sends them. Throws UnsupportedByQemu for a compression that the build leaves out, QemuRefused, and what QMP throws.</summary>
    public void Apply(QmpClient client, MigrationParameters asked, MigrationSide side)
    {
        if (Capabilities is { } capabilities) client.Execute("migrate-set-capabilities", capabilities);
        if (Parameters is not { } parameters) return;
        try
        {
            client.Execute("migrate-set-parameters", parameters);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused
            && error.Message.Contains("'multifd-compression' does not accept", StringComparison.Ordinal))
        {
            throw QemuFeatures.NoCompression(asked.Compression, client.QemuVersion, side);
        }
    }

    public void Switch(string capability, bool state, string? reason = null)
    {
        _capabilities.Add((capability, state));
        if (reason is not null) _unasked.Add(new(capability, state ? "off" : "on", state ? "on" : "off", reason));
    }

    /// <summary>A time as QEMU counts it; never less than asked for, and never 0, which QEMU takes for any downtime.</summary>
    public static long Milliseconds(TimeSpan time) => (long)Math.Ceiling(time.TotalMilliseconds);

    public void Set(string parameter, long? from, long to, string? reason = null)
    {
        if (from == to) return;
        _parameters.Add((parameter, to));
        if (reason is not null) _unasked.Add(new(parameter, from?.ToString(CultureInfo.InvariantCulture) ?? "", to.ToString(CultureInfo.InvariantCulture), reason));
    }

    public void Set(string parameter, bool? from, bool to)
    {
        if (from != to) _parameters.Add((parameter, to));
    }

    public void Set(string parameter, string? from, string to)
    {
        if (from != to) _parameters.Add((parameter, to));
    }
}
