using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>
/// A guest that is being saved or restored, on a thread of its own. Whoever disposes of it early ends it, and nothing of it stays. All
/// members may be called from any thread.
/// </summary>
public abstract class GuestFileOperation : IDisposable
{
    // Longer than any call to the system that can't be broken off should take.
    static readonly TimeSpan EndingTime = TimeSpan.FromSeconds(30);

    readonly ManualResetEventSlim _ended = new();
    volatile bool _isCancelled;

    private protected GuestFileOperation()
    {
    }

    /// <summary>Bytes that are done, of <see cref="TotalBytes"/>.</summary>
    public abstract long DoneBytes { get; }

    /// <summary>Bytes in all; 0 while that is not known.</summary>
    public abstract long TotalBytes { get; }

    /// <summary>Why it failed; null while it has not.</summary>
    public MigrationException? Error { get; private set; }

    /// <summary>Whether it is over.</summary>
    public bool IsEnded => _ended.IsSet;

    /// <summary>Waits for the end at most so long. False when the time is over.</summary>
    public bool Wait(TimeSpan timeout) => _ended.Wait(MigrationParameters.Bounded(timeout));

    /// <summary>Ends it; nothing of it stays, unless it is over already.</summary>
    public void Cancel()
    {
        _isCancelled = true;
        Abort();
    }

    /// <summary>Ends it and waits for that.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    private protected bool IsCancelled => _isCancelled;

    private protected void Begin(string name) => EngineThread.Start(name, Work, failed: null);

    /// <summary>
    /// On the thread of the operation, also when it was cancelled before it began: what was claimed must be let go of. What it throws
    /// becomes <see cref="Error"/>.
    /// </summary>
    private protected abstract void Run();

    /// <summary>Breaks off what waits.</summary>
    private protected abstract void Abort();

    /// <summary>Called by <see cref="Dispose()"/> when it has ended.</summary>
    private protected virtual void Leave()
    {
    }

    /// <inheritdoc cref="Dispose()"/>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        if (!IsEnded) Cancel();
        if (_ended.Wait(EndingTime)) Leave();
    }

    void Work()
    {
        try
        {
            Run();
        }
#pragma warning disable CA1031 // Whoever waits must learn of the end.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Error = MigrationException.From(e, MigrationSide.User, "The engine failed");
        }
        finally
        {
            _ended.Set();
        }
    }
}
