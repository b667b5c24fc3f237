using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// What a receiver has room for: so many migrations at one time, and so much memory under way. Who finds no place waits for one; places
/// go to those who wait in the order in which they came. Thread-safe.
/// </summary>
/// <param name="migrations">Migrations.</param>
/// <param name="memory">Bytes of RAM.</param>
/// <param name="beside">Bytes that they may hold beside RAM in sum.</param>
sealed class Admission(int migrations, long memory, long beside = Admission.DefaultBeside)
{
    /// <summary>1 GiB; a large machine has a few MiB of device sections, and a zstd channel of QEMU's default level 512 KiB.</summary>
    public const long DefaultBeside = 1L << 30;

    /// <summary>Each that waits has a thread and a connection; more are refused at once.</summary>
    public const int MostWaiting = 256;

    // Whether one that waits has left is looked at so often.
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    readonly object _lock = new();
    readonly LinkedList<object> _queue = new();
    long _beside;
    int _migrations;
    long _memory;

    /// <summary>How many wait for a place.</summary>
    public int Waiting
    {
        get { lock (_lock) return _queue.Count; }
    }

    /// <summary>
    /// Takes a place and the memory, waiting for a place at most so long. Throws MemoryExceeded, DestinationRefused, and ConnectionLost for
    /// one that has left. What was taken is given back with <see cref="Leave"/>.
    /// </summary>
    /// <param name="bytes">RAM.</param>
    /// <param name="wait">How long.</param>
    /// <param name="hasLeft">Whether nobody needs the place any more; called often, and has to be quick.</param>
    public void Enter(long bytes, TimeSpan wait, Func<bool>? hasLeft = null)
    {
        lock (_lock)
        {
            CheckMemory(bytes, bytes, "A guest of");
            if (_queue.Count > 0 || _migrations >= migrations) AwaitTurn(wait, hasLeft ?? (() => false));
            CheckMemory(_memory + bytes, bytes, "With what is under way a guest of");
            _migrations++;
            _memory += bytes;
        }
    }

    /// <summary>The migration is over; its memory belongs to a guest now, or is given back.</summary>
    public void Leave(long bytes)
    {
        Return(bytes);
        LeavePlace();
    }

    /// <summary>The migration is over, and its memory still counts until <see cref="Return"/>.</summary>
    public void LeavePlace()
    {
        lock (_lock)
        {
            _migrations--;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Memory of a migration that is over is given back.</summary>
    public void Return(long bytes)
    {
        lock (_lock)
        {
            _memory -= bytes;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Takes memory beside RAM, for what a stream does not announce. Throws MemoryExceeded.</summary>
    public void Hold(long bytes)
    {
        lock (_lock)
        {
            if (bytes > beside - _beside)
                throw Refused(MigrationErrorId.MemoryExceeded, $"Device sections and decompressors of all that is under way would take more than {beside} bytes.");
            _beside += bytes;
        }
    }

    /// <summary>Gives back what was taken with <see cref="Hold"/>.</summary>
    public void Drop(long bytes)
    {
        lock (_lock) _beside -= bytes;
    }

    void AwaitTurn(TimeSpan wait, Func<bool> hasLeft)
    {
        var clock = Stopwatch.StartNew();
        if (_queue.Count >= MostWaiting) throw Full($", and {MostWaiting} more wait");
        var turn = _queue.AddLast(new object());
        try
        {
            while (turn != _queue.First || _migrations >= migrations)
            {
                var left = wait - clock.Elapsed;
                if (left <= TimeSpan.Zero) throw Full("");
                Monitor.Wait(_lock, left < Period ? left : Period);
                if (hasLeft())
                    throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The source left while it waited for a place.");
            }
        }
        finally
        {
            _queue.Remove(turn);
            Monitor.PulseAll(_lock);
        }
    }

    void CheckMemory(long total, long bytes, string what)
    {
        if (total > memory || total < 0)
            throw Refused(MigrationErrorId.MemoryExceeded, $"{what} {bytes} bytes is larger than the {memory} bytes that are accepted here.");
    }

    MigrationException Full(string more) => Refused(MigrationErrorId.DestinationRefused,
        $"As many migrations are under way here as are accepted at one time ({migrations}){more}.");

    static MigrationException Refused(MigrationErrorId id, string message) => new(id, MigrationSide.Destination, message);
}
