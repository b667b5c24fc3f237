using System.Text.RegularExpressions;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.House;

/// <summary>No thread and no timer of the engine can end the process, whatever happens on it.</summary>
public sealed partial class ThreadTests
{
    [Fact]
    public void All_threads_and_timers_are_made_in_one_place()
    {
        var files = Directory.GetFiles(ArrowTests.Root(), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
        Assert.Empty(files.Where(path => Maker().IsMatch(File.ReadAllText(path))).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public void What_a_thread_throws_is_told_and_what_telling_throws_is_not()
    {
        Exception? told = null;
        EngineThread.Start("fails", () => throw new NotSupportedException("work"), e =>
        {
            told = e;
            throw new NotSupportedException("telling");
        }).Join();
        Assert.Equal("work", told!.Message);
        EngineThread.Start("fails too", () => throw new NotSupportedException("work"), failed: null).Join();
    }

    [Fact]
    public void What_a_timer_throws_is_told()
    {
        using var told = new ManualResetEventSlim();
        using var timer = EngineThread.After(TimeSpan.Zero, () => throw new NotSupportedException("work"), _ => told.Set());
        Patience.For(told, "the failure of the timer");
        told.Reset();
        using var again = EngineThread.Every(TimeSpan.FromMilliseconds(1), () => throw new NotSupportedException("work"), _ => told.Set());
        Patience.For(told, "the failure of the other timer");
    }

    [GeneratedRegex(@"new (System\.Threading\.)?(Thread|Timer)\s*\(|\b(Thread|Timer) \w+ = new\(|ThreadPool\.")]
    private static partial Regex Maker();
}
