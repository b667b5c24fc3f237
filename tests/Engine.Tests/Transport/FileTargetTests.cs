using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>A file takes its name when it is complete, and not before.</summary>
public sealed class FileTargetTests : IDisposable
{
    readonly Folder _folder = new();

    [Fact]
    public void Until_it_is_complete_there_is_nothing_that_a_killed_process_could_leave()
    {
        using var file = Begin("new");
        if (OperatingSystem.IsLinux()) Assert.Empty(_folder.Names);
        Assert.False(File.Exists(_folder["new"]));
        file.Complete(Patience.Limit);
        Assert.Equal(["new"], _folder.Names);
        Assert.Equal("hello"u8.ToArray(), File.ReadAllBytes(_folder["new"]));
        Assert.Equal(5, file.Length);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["new"]));
    }

    [Fact]
    public void Disposed_of_or_aborted_it_leaves_nothing_and_the_old_file_is_as_it_was()
    {
        _folder.Write("old", [1]);
        Begin("old").Dispose();
        using (var aborted = Begin("old"))
        {
            aborted.Abort();
            Assert.Equal(MigrationErrorId.ConnectionLost, Assert.Throws<MigrationException>(() => aborted.Complete(Patience.Limit)).Id);
        }
        Assert.Equal(["old"], _folder.Names);
        Assert.Equal([1], File.ReadAllBytes(_folder["old"]));
    }

    [Fact]
    public void A_name_that_is_taken_meanwhile_is_not_taken_away()
    {
        using var file = Begin("late", overwrite: false);
        _folder.Write("late", [2]);
        Assert.Equal(MigrationErrorId.FileFailed, Assert.Throws<MigrationException>(() => file.Complete(Patience.Limit)).Id);
        Assert.Equal([2], File.ReadAllBytes(_folder["late"]));
    }

    [Fact]
    public void A_link_is_followed()
    {
        if (OperatingSystem.IsWindows()) return;
        _folder.Write("real", [3]);
        File.CreateSymbolicLink(_folder["link"], "real");
        using (var file = Begin("link")) file.Complete(Patience.Limit);
        Assert.Equal("hello"u8.ToArray(), File.ReadAllBytes(_folder["real"]));
        Assert.Equal("real", new FileInfo(_folder["link"]).LinkTarget);
    }

    FileTarget Begin(string name, bool overwrite = true)
    {
        var file = FileTarget.Create(MigrationUri.ForFile(_folder[name]), overwrite);
        var writer = new WireWriter(file.Output);
        writer.Bytes("hello"u8);
        writer.Flush();
        return file;
    }

    public void Dispose() => _folder.Dispose();
}
