using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// The TLS of one of two driven QEMUs, for one migration: its parameters tls-creds, tls-hostname and tls-authz, which get their former
/// values back, and credentials that are made for it and removed again. Used by one thread.
/// </summary>
sealed class EndTls
{
    /// <summary>The only kind that proves who the ends are.</summary>
    public const string CredentialsType = "tls-creds-x509";

    const string Client = "client";
    const string Server = "server";
    const string AuthorizationTypes = "authz-";

    readonly MigrationSide _side;
    readonly string? _directory;
    readonly string _credentials;
    readonly (string Name, string Value)[] _wanted;
    JsonObject? _former;
    bool _hasMade;

    EndTls(QemuTlsOptions asked, MigrationSide side)
    {
        _side = side;
        var isSource = side == MigrationSide.Source;
        var named = isSource ? asked.Credentials : asked.DestinationCredentials ?? asked.Credentials;
        _directory = named is null ? asked.Directory : null;
        _credentials = named ?? $"psmigrate-{Guid.NewGuid():N}";
        // A name of the host means something to the end that connects, and a list of who may come to the other one. That is left alone
        // where none is named: QEMU takes no text for the id of a list, and nobody can come.
        _wanted = isSource ? [("tls-creds", _credentials), ("tls-hostname", asked.HostName ?? "")]
            : asked.Authorization is { } list ? [("tls-creds", _credentials), ("tls-authz", list)] : [("tls-creds", _credentials)];
    }

    /// <summary>Whether somebody who can't prove who it is would be let in: the object was given without verify-peer.</summary>
    public bool IsUnproven { get; private set; }

    /// <summary>
    /// What that end is to use, which is there and fits; null where nothing was asked for. Changes nothing. Throws TlsCredentialsNotFound,
    /// TlsCredentialsUnfit, and what QMP throws.
    /// </summary>
    public static EndTls? Plan(QemuTlsOptions? asked, QmpClient client, MigrationSide side)
    {
        if (asked is null) return null;
        var plan = new EndTls(asked, side);
        if (plan._directory is null) plan.CheckCredentials(client);
        if (side == MigrationSide.Destination && asked.Authorization is { } authorization) plan.CheckAuthorization(client, authorization);
        return plan;
    }

    /// <summary>
    /// Makes the credentials where they are of a directory, and sets the parameters. Throws TlsCredentialsRefused, QemuRefused, and what QMP
    /// throws; <see cref="Restore"/> undoes what was done by then.
    /// </summary>
    public void Apply(QmpClient client)
    {
        var present = QemuParameters.Query(client);
        if (_directory is not null) Make(client, _directory);
        _former = Arguments(_wanted.Select(one => (one.Name, present.Text(one.Name) ?? "")));
        client.Execute("migrate-set-parameters", Arguments(_wanted));
    }

    /// <summary>Former values of the parameters, and no object that was not there before. Once; throws what QMP throws.</summary>
    public void Restore(QmpClient client)
    {
        if (_former is { } former)
        {
            _former = null;
            client.Execute("migrate-set-parameters", former);
        }
        if (!_hasMade) return;
        _hasMade = false;
        QemuObjects.Remove(client, _credentials);
    }

    void Make(QmpClient client, string directory)
    {
        try
        {
            // One that does not answer may have made it.
            _hasMade = true;
            QemuObjects.AddCredentials(client, _credentials, directory, _side == MigrationSide.Source ? Client : Server, _side);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.TlsCredentialsRefused)
        {
            _hasMade = false;
            throw;
        }
    }

    void CheckCredentials(QmpClient client)
    {
        var type = Require(client, _credentials, "credentials for TLS");
        if (type != CredentialsType) throw Unfit(client, _credentials, $"a {type}, and no {CredentialsType}");
        var (endpoint, needed) = (QemuObjects.Property(client, _credentials, "endpoint").AsText(), _side == MigrationSide.Source ? Client : Server);
        if (endpoint is not null && endpoint != needed)
            throw Unfit(client, _credentials, $"for endpoint={QmpErrors.Plain(endpoint)}, and the {(_side == MigrationSide.Source ? "source" : "destination")} needs endpoint={needed}");
        IsUnproven = QemuObjects.Property(client, _credentials, "verify-peer").AsFlag() == false;
    }

    void CheckAuthorization(QmpClient client, string id)
    {
        var type = Require(client, id, "object of kind authz");
        if (!type.StartsWith(AuthorizationTypes, StringComparison.Ordinal)) throw Unfit(client, id, $"a {type}, and none of the kinds authz-list, authz-list-file, authz-simple and authz-pam");
    }

    string Require(QmpClient client, string id, string what) => QemuObjects.TypeOf(client, id)
        ?? throw new MigrationException(MigrationErrorId.TlsCredentialsNotFound, _side, $"The QEMU at {client.Uri} has no {what} of the id '{id}'.");

    MigrationException Unfit(QmpClient client, string id, string why) =>
        new(MigrationErrorId.TlsCredentialsUnfit, _side, $"The object '{id}' of the QEMU at {client.Uri} is {why}.");

    static JsonObject Arguments(IEnumerable<(string Name, string Value)> all) =>
        new(all.Select(one => KeyValuePair.Create(one.Name, (JsonNode?)one.Value)));
}
