namespace PsMigrate.Engine.Transport;

/// <summary>Bytes that are copied straight from the writer's memory into the reader's.</summary>
sealed unsafe partial class LocalChannel
{
    byte* _offer;
    int _offered;
    bool _isCopying;
    BusyWait _writerWait;

    /// <summary>
    /// Hands a block to the reader, unless it is empty, and offers bytes behind it. Returns when the reader has taken all of them; from
    /// then on, also when it throws ConnectionLost, nobody looks at them.
    /// </summary>
    public void Offer(byte[] block, int count, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            lock (_lock)
            {
                CheckWriter();
                if (count > 0) _filled[(_first + _filledCount++) % BlockCount] = (block, count);
                _offer = start;
                _offered = bytes.Length;
                Monitor.PulseAll(_lock);
            }
            if (_isBusy)
            {
                _writerWait.Came(bytes.Length);
                _writerWait.Wait(new Taking(this));
            }
            lock (_lock)
            {
                while (_offered > 0 || _isCopying)
                {
                    if (!_isCopying && IsEnded) _offered = 0;
                    else Monitor.Wait(_lock);
                }
                CheckWriter();
            }
        }
    }

    /// <summary>Copies what is offered, as much as there is room for. Throws ConnectionLost.</summary>
    public int TakeOffered(Span<byte> to)
    {
        int count;
        lock (_lock)
        {
            CheckReader();
            count = Math.Min(to.Length, _offered);
            _isCopying = true;
        }
        // The writer, and with it the memory, stays until this is done, whatever becomes of the link.
        StreamingCopy.Copy(new ReadOnlySpan<byte>(_offer, count), to);
        lock (_lock)
        {
            _isCopying = false;
            _offer += count;
            _offered -= count;
            if (_offered == 0 || IsEnded) Monitor.PulseAll(_lock);
        }
        return count;
    }

    /// <summary>What was offered has been taken.</summary>
    readonly struct Taking(LocalChannel channel) : IWaitedFor
    {
        public bool IsThere => (Volatile.Read(ref channel._offered) == 0 && !Volatile.Read(ref channel._isCopying)) || channel.IsEnded;
    }
}
