using PsMigrate.Engine.Model;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Reads the device sections of a foreign machine to the end of the stream, which nothing announces: it is behind the description, or,
/// where a machine sends none (suppress-vmdesc), at an EOF with which the link ends or falls silent for <see cref="Grace"/>. A source with
/// a return path keeps the link open and waits for the answer, hence the silence; what ends the wait by mistake loses no section,
/// since all of them are there whole, but at most the description.
/// </summary>
sealed class DeviceTailReader(IncomingLink link, DeviceTail tail, IncomingMemory memory)
{
    /// <summary>
    /// Longer than a lost packet takes to come again. The link is looked at once in this time, so that the wait lasts up to twice as long;
    /// the guest stands still at the source meanwhile.
    /// </summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    readonly object _lock = new();
    bool _isEnded;
    Exception? _failure;

    /// <summary>Returns when the tail is complete. Throws UnexpectedEnd, and what the tail and the link throw.</summary>
    public void Read()
    {
        // Without a return path the source closes the link by itself, and no silence is an end.
        if (!link.HasReturnPath)
        {
            ReadToEnd();
            return;
        }
        // A read that waits can't be ended but with the link; so another thread waits in it. It ends with the link at the latest.
        EngineThread.Start($"incoming {link.Connection.Peer}, devices", ReadAside, failed: null);
        lock (_lock)
        {
            for (var seen = -1; !_isEnded; seen = tail.Length)
                if (!Monitor.Wait(_lock, Grace) && tail.Length == seen && tail.TryEndWithoutDescription()) _isEnded = true;
            if (_failure is MigrationException typed) throw new MigrationException(typed.Id, typed.Side, typed.Message, typed) { StreamOffset = typed.StreamOffset };
            if (_failure is not null) throw new InvalidOperationException(_failure.Message, _failure);
        }
    }

    void ReadAside()
    {
        try
        {
            ReadToEnd();
        }
#pragma warning disable CA1031 // The thread that waits for this one throws it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_lock) _failure = e;
        }
        lock (_lock)
        {
            _isEnded = true;
            Monitor.PulseAll(_lock);
        }
    }

    void ReadToEnd()
    {
        while (true)
        {
            // Blocks, so not under the lock.
            var isAtEnd = link.Reader.IsAtEnd();
            lock (_lock)
            {
                if (_isEnded) return;
                if (isAtEnd && !tail.TryEndWithoutDescription())
                    throw link.Reader.Error(MigrationErrorId.UnexpectedEnd, "The stream ends in the middle of the device sections.");
                if (isAtEnd) return;
                var taken = tail.Append(link.Reader.Peek(1));
                link.Reader.Skip(taken);
                memory.Hold(taken);
                if (tail.IsComplete) return;
            }
        }
    }
}
