namespace PsMigrate.Engine.Model;

/// <summary>
/// Where all threads and timers of the engine are made. Whatever their work throws, expected or not, goes to whoever has to know of it;
/// without that it would end the process, and with it every guest that lives there.
/// </summary>
static class EngineThread
{
    /// <summary>A thread in the background, not started yet.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="work">What it does.</param>
    /// <param name="failed">
    /// Called on it with what the work threw: it sees to it that nobody waits for the work any more. Null where nobody does.
    /// </param>
    public static Thread Make(string name, Action work, Action<Exception>? failed) =>
        new(() => Guard(work, failed)) { IsBackground = true, Name = name };

    /// <summary>The same, started. Throws OutOfMemoryException when the system has no thread.</summary>
    public static Thread Start(string name, Action work, Action<Exception>? failed)
    {
        var thread = Make(name, work, failed);
        thread.Start();
        return thread;
    }

    /// <summary>Work that begins so late, once.</summary>
    public static Timer After(TimeSpan due, Action work, Action<Exception>? failed = null) =>
        new(_ => Guard(work, failed), null, due, Timeout.InfiniteTimeSpan);

    /// <summary>Work that begins again and again.</summary>
    public static Timer Every(TimeSpan period, Action work, Action<Exception>? failed) =>
        new(_ => Guard(work, failed), null, period, period);

    /// <summary>Does one of several things that all have to be done, whatever becomes of the others.</summary>
    public static void Guard(Action work, Action<Exception>? failed)
    {
        try
        {
            work();
        }
#pragma warning disable CA1031 // That is what it is for.
        catch (Exception e)
        {
            try
            {
                failed?.Invoke(e);
            }
            catch (Exception)
            {
                // Nobody is left to be told.
            }
        }
#pragma warning restore CA1031
    }
}
