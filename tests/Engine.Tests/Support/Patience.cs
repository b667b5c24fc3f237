using System.Diagnostics;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Bounded waiting: long enough for a loaded machine, and never for ever.</summary>
static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static void Until(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Limit, $"Waited {Limit.TotalSeconds} s in vain for: {what}.");
            Thread.Sleep(1);
        }
    }

    public static void For(ManualResetEventSlim signal, string what) => Assert.True(signal.Wait(Limit), $"Waited in vain for: {what}.");

    /// <summary>Runs something on a thread of its own; the result, or its exception, within the limit.</summary>
    public static T Within<T>(Func<T> action, string what)
    {
        var task = Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.True(Task.WaitAny([task], Limit) == 0, $"Waited in vain for: {what}.");
        return task.GetAwaiter().GetResult();
    }
}
