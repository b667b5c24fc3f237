using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Brings guests back from files: those that Save-MigrationGuest wrote, and those that a QEMU wrote.</summary>
[Cmdlet(VerbsData.Restore, "MigrationGuest", SupportsShouldProcess = true, DefaultParameterSetName = ByPath)]
[OutputType(typeof(Guest))]
public sealed class RestoreMigrationGuestCommand : EngineCmdlet
{
    const string ByPath = "Path";
    const string ByLiteralPath = "LiteralPath";
    const string ByUri = "Uri";

    /// <summary>The files.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, Position = 0, ValueFromPipeline = true, HelpMessage = "Files; wildcards are allowed.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The files, named as they are.</summary>
    [Parameter(ParameterSetName = ByLiteralPath, Mandatory = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Files, whose names are taken as they are.")]
    [Alias("FullName", "PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>A stream that is no plain file.</summary>
    [Parameter(ParameterSetName = ByUri, Mandatory = true,
        HelpMessage = "exec:COMMAND, whose standard output is the stream, or file:PATH,offset=N.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(OriginCompleter))]
    public string Uri { get; set; } = "";

    /// <summary>The name of the guest here.</summary>
    [Parameter(HelpMessage = "The name of the guest here. By default the one it had; a captured guest is called like the file.")]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>The in-process host.</summary>
    [Parameter(HelpMessage = "The in-process host it lives on. 'local' by default.")]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string HostName { get; set; } = GuestRegistry.DefaultHost;

    /// <summary>Do not start it.</summary>
    [Parameter(HelpMessage = "Leave it suspended although it ran; Resume-MigrationGuest starts it.")]
    [Alias("StartSuspended")]
    public SwitchParameter Suspended { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ByUri)
        {
            Try(Uri, () => Restore(FileLookup.Address(SessionState.Path, Uri)));
            return;
        }
        foreach (var path in ParameterSetName == ByPath ? Path : LiteralPath)
        {
            IReadOnlyList<string> files = [];
            Try(path, () => files = ParameterSetName == ByPath ? FileLookup.Resolved(SessionState.Path, path) : [FileLookup.Unresolved(SessionState.Path, path)]);
            foreach (var file in files)
                if (!Stopping) Try(file, () => Restore(MigrationUri.ForFile(file)));
        }
    }

    void Restore(MigrationUri origin)
    {
        var what = origin is { Kind: MigrationUriKind.File, Offset: 0 } ? origin.Path : origin.ToString();
        if (!ShouldProcess(what, $"Restore a guest{(Name is null ? "" : $" as {Name}")} on host {HostName}")) return;
        using var restore = GuestRestore.Start(origin, new RestoreOptions { Name = Name, HostName = HostName, StartSuspended = Suspended });
        if (!FileProgress.Wait(this, restore, $"Restoring a guest from {what}")) return;
        if (restore.Error is { } error) throw error;
        WriteObject(restore.TakeGuest());
    }
}
