using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Work that makes a process ready: once, in the background, and worth nothing that could end the process or keep it waiting for long. A
/// process that is out of threads or memory does without it.
/// </summary>
/// <param name="name">The thread's.</param>
/// <param name="priority">The thread's.</param>
/// <param name="work">What is to be done; what it throws is of no interest.</param>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process.")]
sealed class WarmUp(string name, ThreadPriority priority, Action work)
{
    // It takes some tens of milliseconds.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    readonly ManualResetEventSlim _over = new();
    int _hasBegun;

    /// <summary>The first call begins; returns at once.</summary>
    public void Begin()
    {
        if (Interlocked.Exchange(ref _hasBegun, 1) != 0) return;
        try
        {
            var thread = EngineThread.Make(name, Run, failed: null);
            thread.Priority = priority;
            thread.Start();
        }
        catch (OutOfMemoryException)
        {
            _over.Set();
        }
    }

    /// <summary>Waits for its end, once at most for so long.</summary>
    public void Await()
    {
        if (!_over.Wait(Limit)) _over.Set();
    }

    void Run()
    {
        try
        {
            work();
        }
        finally
        {
            _over.Set();
        }
    }
}
