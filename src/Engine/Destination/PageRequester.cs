using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Asks the source for pages that a guest waits for, on a thread of its own (the fault thread of QEMU), so that a vCPU never waits for the
/// link. A page is asked for once; after a recovery, once more. Thread-safe.
/// </summary>
sealed class PageRequester
{
    // Sent off at one time.
    const int Batch = 64;

    readonly object _lock = new();
    readonly Queue<(RamBlock Block, long Page)> _queue = new();
    readonly IncomingLink _link;
    readonly ArrivingRam _ram;
    // One bit a page of each block, in the order of the RAM.
    readonly ulong[][] _asked;
    bool _isPaused;
    bool _isSending;
    volatile bool _isEnded;

    /// <summary>Makes its thread, which takes longer than all else at a switch-over. Throws OutOfMemoryException when there is none.</summary>
    public PageRequester(IncomingLink link, ArrivingRam ram, string guestName)
    {
        (_link, _ram) = (link, ram);
        _asked = [.. ram.Blocks.Select(block => new ulong[BitWords.Count(block.Block.Pages)])];
        EngineThread.Start($"incoming {guestName}, page requests", Run, failed: null);
    }

    /// <summary>A vCPU waits for a page. Never waits itself.</summary>
    public void Request(RamBlock block, long page)
    {
        lock (_lock)
        {
            ref var asked = ref _asked[Array.FindIndex(_ram.Blocks, one => one.Block == block)][page >> 6];
            var bit = 1UL << (int)(page & 63);
            if ((asked & bit) != 0 || _isEnded) return;
            _queue.Enqueue((block, page));
            asked |= bit;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The link is gone: nothing is sent from here on. To be called when it has been cut, for it waits for what is on its way.</summary>
    public void Pause()
    {
        lock (_lock)
        {
            _isPaused = true;
            while (_isSending) Monitor.Wait(_lock);
        }
    }

    /// <summary>There is a link again, and nothing has been asked for over it: whoever waits for pages has to ask again.</summary>
    public void Resume()
    {
        lock (_lock)
        {
            _queue.Clear();
            foreach (var asked in _asked) Array.Clear(asked);
            _isPaused = false;
        }
    }

    /// <summary>Nothing is asked for any more.</summary>
    public void End()
    {
        lock (_lock)
        {
            _isEnded = true;
            Monitor.PulseAll(_lock);
        }
    }

    void Run()
    {
        var batch = new (RamBlock, long)[Batch];
        while (!_isEnded)
        {
            try
            {
                var count = Take(batch);
                if (count > 0) _link.TryRequest(batch.AsSpan(0, count));
            }
#pragma warning disable CA1031 // Without requests vCPUs wait for long; behind a recovery all that they wait for is asked for again.
            catch (Exception)
#pragma warning restore CA1031
            {
                _link.Connection.Abort();
            }
            finally
            {
                Sent();
            }
        }
    }

    void Sent()
    {
        lock (_lock)
        {
            _isSending = false;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>What is to be asked for next; waits for it. Returns how many, and -1 at the end.</summary>
    int Take((RamBlock Block, long Page)[] batch)
    {
        lock (_lock)
        {
            while (true)
            {
                while ((_isPaused || _queue.Count == 0) && !_isEnded) Monitor.Wait(_lock);
                if (_isEnded) return -1;
                var count = 0;
                while (count < batch.Length && _queue.TryDequeue(out var next))
                    if (!_ram.HasCome(next.Block, next.Page)) batch[count++] = next;
                if (count == 0) continue;
                _isSending = true;
                return count;
            }
        }
    }
}
