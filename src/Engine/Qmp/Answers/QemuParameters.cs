using System.Text.Json;

namespace PsMigrate.Engine.Qmp;

/// <summary>What query-migrate-parameters tells: the parameters that this QEMU knows, with their values.</summary>
sealed class QemuParameters
{
    readonly Dictionary<string, JsonElement> _all = [];

    /// <summary>Name to value.</summary>
    public IReadOnlyDictionary<string, JsonElement> All => _all;

    /// <summary>Whether QEMU tells a value of this name. One that is known and not set may be left out (block-bitmap-mapping).</summary>
    public bool Has(string name) => _all.ContainsKey(name);

    /// <summary>A whole number; null where there is none of that name.</summary>
    public long? Number(string name) => _all.GetValueOrDefault(name).AsNumber();

    /// <summary>A text or the name of a choice; null where there is none of that name.</summary>
    public string? Text(string name) => _all.GetValueOrDefault(name).AsText();

    /// <summary>On or off; null where there is none of that name.</summary>
    public bool? Flag(string name) => _all.GetValueOrDefault(name).AsFlag();

    /// <summary>Asks a QEMU. Throws what <see cref="QmpClient.Execute"/> throws.</summary>
    public static QemuParameters Query(QmpClient client) => Parse(client.Execute("query-migrate-parameters"));

    /// <summary>Reads what query-migrate-parameters returned; never throws.</summary>
    public static QemuParameters Parse(JsonElement from)
    {
        var made = new QemuParameters();
        if (from.ValueKind == JsonValueKind.Object)
            foreach (var one in from.EnumerateObject()) made._all[one.Name] = one.Value;
        return made;
    }
}
