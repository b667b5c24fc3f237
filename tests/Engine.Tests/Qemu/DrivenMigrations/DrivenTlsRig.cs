using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Two QEMUs and directories of certificates, which they can read.</summary>
sealed class DrivenTlsRig : IDisposable
{
    readonly List<DirectoryInfo> _folders = [];

    public DrivenTlsRig(string binary, bool isSlow = true, bool forPostcopy = false)
    {
        Pair = new DrivenPair(binary, isSlow: isSlow, forPostcopy: forPostcopy);
        Folder = Write(TlsPki.Shared);
    }

    public DrivenPair Pair { get; }

    public string Folder { get; }

    public string Write(TlsPki pki)
    {
        var folder = pki.Write();
        _folders.Add(folder);
        return folder.FullName;
    }

    public MigrationParameters With(QemuTlsOptions tls, MigrationParameters? parameters = null) => (parameters ?? Pair.Parameters) with { QemuTls = tls };

    public QemuTlsOptions ByDirectory => new() { Directory = Folder };

    public static void AddCredentials(Machines.QemuMachine qemu, string id, string folder, string endpoint, bool verify = true) => qemu.Execute("object-add",
        new Dictionary<string, object> { ["qom-type"] = "tls-creds-x509", ["id"] = id, ["dir"] = folder, ["endpoint"] = endpoint, ["verify-peer"] = verify });

    /// <summary>tls-creds, tls-hostname and tls-authz, with commas between.</summary>
    public static string Set(Machines.QemuMachine qemu)
    {
        var all = qemu.Execute("query-migrate-parameters");
        return string.Join(',', new[] { "tls-creds", "tls-hostname", "tls-authz" }.Select(name => all.GetProperty(name).GetString()));
    }

    /// <summary>The ids of objects that somebody gave it, but for its memory.</summary>
    public static string[] Objects(Machines.QemuMachine qemu) =>
        [.. qemu.Execute("qom-list", new { path = "/objects" }).EnumerateArray()
            .Where(one => one.GetProperty("type").GetString() is { } type && type.StartsWith("child<", StringComparison.Ordinal) && !type.Contains("memory", StringComparison.Ordinal))
            .Select(one => one.GetProperty("name").GetString()!)];

    public void Dispose()
    {
        Pair.Dispose();
        _folders.ForEach(folder => folder.Delete(recursive: true));
    }
}
