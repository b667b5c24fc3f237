using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Keeps the main stream and the multifd channels of one migration in step (multifd_recv_sync_main of QEMU): the main stream passes
/// its mark k once every channel has delivered its SYNC k, and a channel reads on once that mark is passed. So a page that was sent
/// before a mark is never stored after one that was sent behind it. Any failure wakes all. Thread-safe.
/// </summary>
sealed class MultifdBarrier
{
    readonly object _lock = new();
    readonly List<Member> _members = [];
    int _passed;
    bool _isFinished;
    MigrationException? _error;

    /// <summary>What ended the migration from a channel's side; null while nothing did. The first failure stays.</summary>
    public MigrationException? Error
    {
        get { lock (_lock) return _error; }
    }

    /// <summary>A channel comes in. Its first SYNC belongs to the first mark, also when that one has been passed.</summary>
    public Member Join()
    {
        lock (_lock)
        {
            var member = new Member(this);
            _members.Add(member);
            return member;
        }
    }

    /// <summary>The main stream is at a mark: waits for the SYNC of every channel. Throws what a channel failed of.</summary>
    public void PassMark()
    {
        lock (_lock)
        {
            while (_error is null && _members.Find(member => member.Delivered <= _passed) is { } late)
            {
                if (late.HasLeft)
                    _error = new MigrationException(MigrationErrorId.UnexpectedEnd, MigrationSide.Source, "A multifd channel ended before its SYNC.");
                else Monitor.Wait(_lock);
            }
            Monitor.PulseAll(_lock);
            if (_error is not null) throw _error;
            _passed++;
        }
    }

    /// <summary>
    /// The guest is loaded: from here on no channel may touch its memory. Throws OutOfOrder when pages come after the last mark, or
    /// what a channel failed of.
    /// </summary>
    public void Finish()
    {
        lock (_lock)
        {
            if (_error is null && _members.Exists(member => member.IsStoring))
                _error = new MigrationException(MigrationErrorId.OutOfOrder, MigrationSide.Source, "Pages come in a multifd channel after the last mark.");
            _isFinished = true;
            Monitor.PulseAll(_lock);
            if (_error is not null) throw _error;
        }
    }

    /// <summary>Ends it for all: whoever waits, or comes to wait, gets this error unless there was one before.</summary>
    public void Fail(MigrationException error)
    {
        lock (_lock)
        {
            if (!_isFinished) _error ??= error;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>One channel's place.</summary>
    internal sealed class Member(MultifdBarrier barrier)
    {
        /// <summary>How many SYNCs it has read. Behind the barrier's lock.</summary>
        public int Delivered { get; private set; }

        /// <summary>Whether it may be writing into the guest. Behind the barrier's lock.</summary>
        public bool IsStoring { get; private set; }

        /// <summary>Whether its other end has closed. Behind the barrier's lock.</summary>
        public bool HasLeft { get; private set; }

        /// <summary>SYNC was read: waits for the mark. False when the migration is over.</summary>
        public bool Synchronize()
        {
            lock (barrier._lock)
            {
                Delivered++;
                Monitor.PulseAll(barrier._lock);
                while (IsOpen && barrier._passed < Delivered) Monitor.Wait(barrier._lock);
                return IsOpen;
            }
        }

        /// <summary>Asks for leave to write pages; false when the migration is over.</summary>
        public bool TryBegin()
        {
            lock (barrier._lock) return IsStoring = IsOpen;
        }

        /// <summary>The pages are written.</summary>
        public void End()
        {
            lock (barrier._lock) IsStoring = false;
        }

        /// <summary>The other end has closed, which is in order once the main stream has passed the last mark.</summary>
        public void Leave()
        {
            lock (barrier._lock)
            {
                HasLeft = true;
                Monitor.PulseAll(barrier._lock);
            }
        }

        bool IsOpen => barrier is { _error: null, _isFinished: false };
    }
}
