using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>A folder for a test's files, and a host for its guests; both are gone afterwards.</summary>
sealed class Folder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("psmigrate-files-").FullName;

    /// <summary>Where guests are restored to.</summary>
    public string Host { get; } = TestGuests.UniqueName("restored");

    /// <summary>The names of its files, hidden ones too.</summary>
    public string[] Names => [.. Directory.GetFiles(Path).Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public SavedGuest Save(Guest guest, string name, GuestFileLayout layout = GuestFileLayout.Stream, GuestFileFormat format = GuestFileFormat.PsMigrate)
    {
        using var save = GuestSave.Start(guest, new SaveOptions { Path = this[name], Layout = layout, Format = format });
        Assert.True(save.Wait(Patience.Limit), "The save hangs.");
        Assert.Null(save.Error);
        Assert.Equal(save.TotalBytes, save.DoneBytes);
        return save.Result!;
    }

    public MemoryGuest Restore(string name, RestoreOptions? options = null) => Restore(MigrationUri.ForFile(this[name]), options);

    public MemoryGuest Restore(MigrationUri origin, RestoreOptions? options = null)
    {
        using var restore = GuestRestore.Start(origin, (options ?? new RestoreOptions()) with { HostName = Host });
        Assert.True(restore.Wait(Patience.Limit), "The restore hangs.");
        Assert.Null(restore.Error);
        return restore.TakeGuest()!;
    }

    /// <summary>Why it can't be restored; nothing of it stays.</summary>
    public MigrationException RestoreFails(MigrationUri origin)
    {
        using var restore = GuestRestore.Start(origin, new RestoreOptions { HostName = Host });
        Assert.True(restore.Wait(Patience.Limit), "The restore hangs.");
        Assert.NotNull(restore.Error);
        Assert.Null(restore.TakeGuest());
        Assert.Empty(TestGuests.On(Host));
        return restore.Error;
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(Host);
        Directory.Delete(Path, recursive: true);
    }
}
