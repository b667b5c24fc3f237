using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>Objects that a user gave a QEMU (<c>-object</c>, object-add), by their ids. Throws what QMP throws.</summary>
static class QemuObjects
{
    const string Root = "/objects";

    /// <summary>The type of the object of that id, such as <c>tls-creds-x509</c>; null where there is none.</summary>
    public static string? TypeOf(QmpClient client, string id)
    {
        var found = client.Execute("qom-list", new JsonObject { ["path"] = Root }).Items().FirstOrDefault(one => one.Text("name") == id).Text("type");
        return found is { } type && type.StartsWith("child<", StringComparison.Ordinal) && type.EndsWith('>') ? QmpErrors.Plain(type["child<".Length..^1]) : null;
    }

    /// <summary>A property of it; Undefined where it has none of that name.</summary>
    public static System.Text.Json.JsonElement Property(QmpClient client, string id, string name)
    {
        try
        {
            return client.Execute("qom-get", new JsonObject { ["path"] = $"{Root}/{id}", ["property"] = name });
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            return default;
        }
    }

    /// <summary>object-add of certificates in a directory; the other end has to prove who it is. Throws TlsCredentialsRefused.</summary>
    public static void AddCredentials(QmpClient client, string id, string directory, string endpoint, MigrationSide side)
    {
        try
        {
            client.Execute("object-add", new JsonObject
            {
                ["qom-type"] = EndTls.CredentialsType, ["id"] = id, ["dir"] = directory, ["endpoint"] = endpoint, ["verify-peer"] = true,
            });
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            throw new MigrationException(MigrationErrorId.TlsCredentialsRefused, side,
                $"The QEMU at {client.Uri} can't take certificates from {directory} on its machine: {error.Message}", error);
        }
    }

    /// <summary>object-del.</summary>
    public static void Remove(QmpClient client, string id) => client.Execute("object-del", new JsonObject { ["id"] = id });
}
