using System.Text.Json;

namespace PsMigrate.Engine.Qmp;

/// <summary>What query-migrate-capabilities tells: the capabilities that this QEMU knows, and which are on.</summary>
sealed class QemuCapabilities
{
    readonly Dictionary<string, bool> _all = [];

    /// <summary>The names of all that are known, in QEMU's order.</summary>
    public string[] Names { get; private init; } = [];

    /// <summary>Name to state.</summary>
    public IReadOnlyDictionary<string, bool> All => _all;

    /// <summary>Whether this QEMU has the capability at all.</summary>
    public bool IsKnown(string name) => _all.ContainsKey(name);

    /// <summary>Whether it is on; false where it is not known.</summary>
    public bool IsOn(string name) => _all.GetValueOrDefault(name);

    /// <summary>Asks a QEMU. Throws what <see cref="QmpClient.Execute"/> throws.</summary>
    public static QemuCapabilities Query(QmpClient client) => Parse(client.Execute("query-migrate-capabilities"));

    /// <summary>Reads what query-migrate-capabilities returned; never throws.</summary>
    public static QemuCapabilities Parse(JsonElement from)
    {
        var pairs = from.Items().Where(one => one.Text("capability") is not null && one.Flag("state") is not null)
            .Select(one => (Name: one.Text("capability")!, State: one.Flag("state")!.Value)).DistinctBy(one => one.Name).ToArray();
        var made = new QemuCapabilities { Names = [.. pairs.Select(one => one.Name)] };
        foreach (var (name, state) in pairs) made._all[name] = state;
        return made;
    }
}
