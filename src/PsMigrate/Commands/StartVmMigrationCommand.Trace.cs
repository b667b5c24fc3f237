using System.Management.Automation;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>What is kept of a migration, for Compare-MigrationPolicy.</summary>
public sealed partial class StartVmMigrationCommand
{
    const string TraceEnding = ".trace.json";

    /// <summary>Where the trace goes.</summary>
    [Parameter(HelpMessage = "Record what the guest writes in each pass and how the migration goes, and write it to this file when it has ended, for "
        + "Compare-MigrationPolicy. In a folder that is there, each guest gets a file of its own, NAME.trace.json. A file that is there is replaced.")]
    [ValidateNotNullOrEmpty]
    public string? RecordTrace { get; set; }

    /// <summary>The file for this guest; null where nothing is recorded. Throws FileFailed, InvalidParameter, before anything is sent.</summary>
    string? TraceFile(Guest guest)
    {
        if (RecordTrace is not { } asked) return null;
        var path = FileLookup.Unresolved(SessionState.Path, asked);
        if (Directory.Exists(path)) return FreeName(path, string.Join('_', guest.Name.Split(Path.GetInvalidFileNameChars())));
        if (!Directory.Exists(Path.GetDirectoryName(path)))
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The trace can't be written to {path}: there is no such folder.");
        return _requests.TrueForAll(request => request.TracePath != path) ? path
            : throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User, $"Two traces can't go into one file, {path}: name a folder.");
    }

    /// <summary>Guests of two hosts may have one name.</summary>
    string FreeName(string folder, string name)
    {
        var path = Path.Combine(folder, name + TraceEnding);
        for (var number = 2; _requests.Exists(request => request.TracePath == path); number++) path = Path.Combine(folder, $"{name}-{number}{TraceEnding}");
        return path;
    }
}
