using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>The memory of a guest on its way: admitted first, then reserved; a guest takes it over, or it is given back.</summary>
sealed class IncomingMemory(IncomingPolicy policy)
{
    readonly Lock _lock = new();
    long _admitted;
    long _held;
    bool _hasLeft;
    bool _stays;

    /// <summary>The memory; null until it is reserved.</summary>
    public GuestMemory? Memory { get; private set; }

    /// <summary>Bytes; 0 until it is reserved.</summary>
    public long Length => Memory?.Length ?? 0;

    /// <summary>
    /// Takes a place and room for so many bytes; waits for a place, unless nobody needs it any more. Throws MemoryExceeded,
    /// DestinationRefused, ConnectionLost.
    /// </summary>
    public void Admit(long bytes, Func<bool>? hasLeft = null)
    {
        policy.Room.Enter(bytes, policy.IdleTimeout / 2, hasLeft);
        _admitted = bytes;
    }

    /// <summary>The memory, once it is admitted. Throws InvalidSize.</summary>
    public GuestMemory Reserve(params (string Name, long Length)[] blocks) => Memory = new GuestMemory(blocks);

    /// <summary>Counts memory beside RAM, before it is used. Any thread. Throws MemoryExceeded.</summary>
    public void Hold(long bytes)
    {
        lock (_lock)
        {
            if (_hasLeft) return;
            policy.Room.Hold(bytes);
            _held += bytes;
        }
    }

    /// <summary>The migration is lost, and its guest can only be removed: until then what the receiver counted for it is not free.</summary>
    public void StayWith(MemoryGuest guest)
    {
        _stays = true;
        guest.WhenRemoved = () => policy.Room.Return(_admitted);
    }

    /// <summary>The migration is over: what the receiver counted for it is free. A guest keeps the memory itself.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _hasLeft = true;
            policy.Room.Drop(_held);
        }
        if (_stays) policy.Room.LeavePlace();
        else if (_admitted > 0) policy.Room.Leave(_admitted);
    }

    /// <summary>No guest took it.</summary>
    public void Release() => Memory?.Release();
}
