namespace PsMigrate.Engine.Transport;

/// <summary>What a reader finds next in a local channel.</summary>
enum LocalPiece
{
    /// <summary>Nothing, and nothing will come.</summary>
    End,

    /// <summary>A block, which is the reader's now.</summary>
    Block,

    /// <summary>Bytes that lie with the writer, who waits until they are taken.</summary>
    Offer,
}

/// <summary>
/// One direction of a local link: a few blocks that go from the writer to the reader and back. A block has room before its data,
/// so that the reader can put what it has left of the block before in front of it. Much that lies together is offered where it lies
/// instead, and copied once, by the reader; the writer waits meanwhile.
/// </summary>
sealed unsafe partial class LocalChannel(string peer, int blockSize) : IWaitedFor
{
    /// <summary>Room before the data of a block, bytes.</summary>
    public const int Headroom = BlockPipeReader.MaxUnconsumed;

    const int BlockCount = 4;

    readonly object _lock = new();
    readonly (byte[] Block, int Count)[] _filled = new (byte[], int)[BlockCount];
    readonly byte[][] _free = new byte[BlockCount][];
    int _first;
    int _filledCount;
    int _freeCount;
    int _madeCount;
    // Both are looked at without the lock too.
    volatile End _writer;
    volatile End _reader;
    bool _isBusy = BusyWait.IsOfUse;
    BusyWait _readerWait;

    enum End
    {
        Open,
        Closed,
        Cut,
    }

    /// <summary>Without the lock: it may be there a moment later.</summary>
    bool IWaitedFor.IsThere => Volatile.Read(ref _filledCount) > 0 || Volatile.Read(ref _offered) > 0 || IsEnded;

    bool IsEnded => _writer != End.Open || _reader != End.Open;

    /// <inheritdoc cref="BlockPipeReader.WaitAsleep"/>
    public void WaitAsleep() => _isBusy = false;

    /// <summary>Whether <see cref="Next"/> would return or throw at once.</summary>
    public bool IsReady
    {
        get
        {
            lock (_lock) return _filledCount > 0 || _offered > 0 || IsEnded;
        }
    }

    /// <summary>Whether no more will be written, either because it was cut or, if that counts, because all has been.</summary>
    public bool HasNoWriter(bool countsEnd)
    {
        lock (_lock) return _writer == End.Cut || (countsEnd && _writer == End.Closed);
    }

    /// <summary>An empty block; waits until the reader gives one back. Throws ConnectionLost.</summary>
    public byte[] TakeFree()
    {
        lock (_lock)
        {
            while (true)
            {
                CheckWriter();
                if (_freeCount > 0) return _free[--_freeCount];
                if (_madeCount < BlockCount)
                {
                    _madeCount++;
                    return GC.AllocateUninitializedArray<byte>(Headroom + blockSize, pinned: true);
                }
                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Hands a block with so many bytes behind its headroom to the reader. Throws ConnectionLost.</summary>
    public void PutFilled(byte[] block, int count)
    {
        lock (_lock)
        {
            CheckWriter();
            // There are no more blocks than places.
            _filled[(_first + _filledCount++) % BlockCount] = (block, count);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>What comes next; waits for it. Throws ConnectionLost.</summary>
    /// <param name="block">The block, if it is one.</param>
    /// <param name="count">Bytes in the block, or offered.</param>
    public LocalPiece Next(out byte[] block, out int count)
    {
        if (_isBusy) _readerWait.Wait(this);
        lock (_lock)
        {
            while (true)
            {
                CheckReader();
                (block, count) = ([], 0);
                if (_filledCount > 0)
                {
                    (block, count) = _filled[_first];
                    _filled[_first] = default;
                    _first = (_first + 1) % BlockCount;
                    _filledCount--;
                    _readerWait.Came(count);
                    return LocalPiece.Block;
                }
                count = _offered;
                _readerWait.Came(count);
                if (_offered > 0) return LocalPiece.Offer;
                if (_writer != End.Open) return LocalPiece.End;
                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Gives a block back to the writer.</summary>
    public void PutFree(byte[] block)
    {
        lock (_lock)
        {
            _free[_freeCount++] = block;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The writer sends no more; what it handed over can still be read.</summary>
    public void CloseWriter()
    {
        lock (_lock)
        {
            if (_writer == End.Open) _writer = End.Closed;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The reader takes no more; writes fail.</summary>
    public void CloseReader()
    {
        lock (_lock)
        {
            if (_reader == End.Open) _reader = End.Closed;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Ends everything at once; what is on its way is lost.</summary>
    public void Cut()
    {
        lock (_lock)
        {
            _writer = _reader = End.Cut;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Throws ConnectionLost if nothing can be read any more, whatever there is.</summary>
    public void CheckReader()
    {
        if (_reader == End.Closed) throw LinkErrors.ClosedHere(peer);
        if (_reader == End.Cut) throw LinkErrors.Lost(peer, "it was cut.");
    }

    void CheckWriter()
    {
        if (_writer == End.Closed) throw LinkErrors.ClosedHere(peer);
        if (_writer == End.Cut) throw LinkErrors.Lost(peer, "it was cut.");
        if (_reader != End.Open) throw LinkErrors.Lost(peer, "the other end has closed it.");
    }
}
