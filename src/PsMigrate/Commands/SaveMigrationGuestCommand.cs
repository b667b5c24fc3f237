using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Writes guests to files, as QEMU's migration streams. A guest that runs is held meanwhile, and runs on.</summary>
[Cmdlet(VerbsData.Save, "MigrationGuest", SupportsShouldProcess = true, DefaultParameterSetName = ByGuest)]
[OutputType(typeof(SavedGuest), typeof(Guest))]
public sealed class SaveMigrationGuestCommand : GuestActionCmdlet
{
    /// <summary>What a file in a folder is called behind the guest's name.</summary>
    const string Extension = ".vmstate";

    readonly HashSet<string> _written = [];

    /// <summary>Where to.</summary>
    [Parameter(Mandatory = true, Position = 1,
        HelpMessage = "The file; of a folder, the file in it that has the guest's name. Wildcards are taken literally.")]
    [Alias("LiteralPath", "FilePath")]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>How RAM lies in the file.</summary>
    [Parameter(HelpMessage = "Stream (the default), or MappedRam: each page has its place, for QEMU 9.0 and later with its capability "
            + "mapped-ram.")]
    public GuestFileLayout Layout { get; set; }

    /// <summary>Who is to load a guest of ours.</summary>
    [Parameter(HelpMessage = "Of a guest of this module: PsMigrate (the default) keeps all of it, Qemu only what a QEMU with -M none loads. "
            + "A captured guest is always written as its QEMU sent it.")]
    public GuestFileFormat Format { get; set; }

    /// <summary>Replace an old file.</summary>
    [Parameter(HelpMessage = "Replace a file that is there already.")]
    public SwitchParameter Force { get; set; }

    /// <summary>Give the guests out.</summary>
    [Parameter(HelpMessage = "Give the guests out, in place of the records of their files.")]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process(Guest guest) => Try(guest.Name, () => Save(guest));

    void Save(Guest guest)
    {
        var path = PathFor(guest);
        // Whatever -Force allows, one of this call's own files is not meant.
        if (_written.Contains(path))
            throw Invalid($"Two guests can't be in one file, {path}: give a folder.");
        var held = guest.State == GuestState.Running ? "; it stands still meanwhile" : "";
        if (!ShouldProcess(Label(guest), $"Save {Figures.Size(guest.MemorySize)} to {path}{held}")) return;
        using var save = GuestSave.Start(guest, new SaveOptions { Path = path, Layout = Layout, Format = Format, Overwrite = Force });
        if (!FileProgress.Wait(this, save, $"Saving guest {guest.Name} to {path}")) return;
        if (save.Error is { } error) throw error;
        _written.Add(path);
        WriteObject(PassThru ? guest : save.Result);
    }

    string PathFor(Guest guest)
    {
        var path = FileLookup.Unresolved(SessionState.Path, Path);
        if (!Directory.Exists(path) && !System.IO.Path.EndsInDirectorySeparator(path)) return path;
        return guest.Name.IndexOfAny(System.IO.Path.GetInvalidFileNameChars()) < 0
            ? System.IO.Path.Combine(path, guest.Name + Extension)
            : throw Invalid($"Guest {guest.Name} has a name that no file can have: give a file, not a folder.");
    }

    static MigrationException Invalid(string message) => new(MigrationErrorId.InvalidParameter, MigrationSide.User, message);
}
