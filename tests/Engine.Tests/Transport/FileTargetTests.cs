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

    [Fact]
    public void Where_there_are_no_nameless_files_it_is_whole_or_not_at_all_too()
    {
        var calls = new PortableFileCalls();
        _folder.Write("old", [1]);
        using (var file = Begin("old", calls: calls))
        {
            // Beside its path, its owner's alone.
            var temporary = Assert.Single(_folder.Names, name => name != "old");
            Assert.StartsWith(".old.", temporary, StringComparison.Ordinal);
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder[temporary]));
            Assert.Equal([1], File.ReadAllBytes(_folder["old"]));
        }
        Assert.Equal(["old"], _folder.Names);
        Assert.Equal([1], File.ReadAllBytes(_folder["old"]));
        using (var file = Begin("old", calls: calls)) file.Complete(Patience.Limit);
        using (var late = Begin("late", overwrite: false, calls: calls))
        {
            _folder.Write("late", [2]);
            Assert.Contains("already", Failing.With(MigrationErrorId.FileFailed, () => late.Complete(Patience.Limit)).Message, StringComparison.Ordinal);
        }
        Assert.Equal(["late", "old"], _folder.Names);
        Assert.Equal("hello"u8.ToArray(), File.ReadAllBytes(_folder["old"]));
        Assert.Equal([2], File.ReadAllBytes(_folder["late"]));
    }

    [Theory]
    [InlineData("/dev/shm")]
    [InlineData("/proc")]
    [InlineData("/sys")]
    public void Another_file_system_keeps_the_promise_or_refuses(string folder)
    {
        if (!Directory.Exists(folder)) return;
        var path = Path.Combine(folder, $"psmigrate-{Guid.NewGuid():N}");
        try
        {
            using var file = Begin(path);
            Assert.False(File.Exists(path));
            file.Complete(Patience.Limit);
            Assert.Equal("hello"u8.ToArray(), File.ReadAllBytes(path));
        }
        catch (MigrationException e)
        {
            Assert.Equal(MigrationErrorId.FileFailed, e.Id);
            Assert.NotEqual("/dev/shm", folder);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_is_open_already_can_be_named_by_its_number()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.In);
        var path = $"/dev/fd/{pipe.ClientSafePipeHandle.DangerousGetHandle()}";
        using (var file = Begin(path)) file.Complete(Patience.Limit);
        pipe.DisposeLocalCopyOfClientHandle();
        using var read = new MemoryStream();
        pipe.CopyTo(read);
        Assert.Equal("hello"u8.ToArray(), read.ToArray());
    }

    FileTarget Begin(string name, bool overwrite = true, IFileCalls? calls = null)
    {
        var file = FileTarget.Create(MigrationUri.ForFile(_folder[name]), overwrite, calls);
        var writer = new WireWriter(file.Output);
        writer.Bytes("hello"u8);
        writer.Flush();
        return file;
    }

    public void Dispose() => _folder.Dispose();
}
