using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Model;

/// <summary>Traces and policies come from files of any kind and size: what is none is refused, and not waited for.</summary>
public sealed class PlainFileTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.json");

    [LinuxFact]
    public void A_fifo_that_nobody_feeds_is_refused()
    {
        using (var process = Process.Start("mkfifo", [_path])) process.WaitForExit();
        AssertRefused(_path);
    }

    [LinuxFact]
    public void A_device_without_end_is_refused() => AssertRefused("/dev/zero");

    [Fact]
    public void A_folder_is_refused() => AssertRefused(Path.GetTempPath());

    [LinuxFact]
    public void A_file_that_says_it_is_empty_is_read_to_its_limit()
    {
        const string Endless = "/proc/self/maps";
        Assert.Equal(0, new FileInfo(Endless).Length);
        Assert.Null(PlainFile.ReadText(Endless, 100));
        Assert.NotEmpty(PlainFile.ReadText(Endless, 1 << 24)!);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(7, 7)]
    [InlineData(100_000, 100_000)]
    [InlineData(8, 7)]
    [InlineData(100_000, 65_536)]
    public void A_file_is_read_whole_or_not_at_all(int length, int largest)
    {
        var text = new string('x', length);
        File.WriteAllText(_path, text);
        Assert.Equal(length <= largest ? text : null, PlainFile.ReadText(_path, largest));
    }

    [Fact]
    public void One_that_is_too_large_is_said_to_be()
    {
        File.WriteAllText(_path, new string(' ', (32 << 20) + 1));
        Assert.Equal(MigrationErrorId.InvalidTrace, Failing.With(MigrationErrorId.InvalidTrace, () => MigrationTrace.Load(_path)).Id);
        Failing.With(MigrationErrorId.InvalidPolicy, () => MigrationPolicy.Load(_path));
    }

    public void Dispose() => File.Delete(_path);

    static void AssertRefused(string path)
    {
        Failing.With(MigrationErrorId.FileFailed, () => MigrationTrace.Load(path));
        Failing.With(MigrationErrorId.FileFailed, () => MigrationPolicy.Load(path));
    }
}
