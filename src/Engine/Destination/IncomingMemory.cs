using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>The memory of a guest on its way: admitted first, then reserved; a guest takes it over, or it is given back.</summary>
sealed class IncomingMemory(IncomingPolicy policy)
{
    long _admitted;

    /// <summary>The memory; null until it is reserved.</summary>
    public GuestMemory? Memory { get; private set; }

    /// <summary>Bytes; 0 until it is reserved.</summary>
    public long Length => Memory?.Length ?? 0;

    /// <summary>Throws MemoryExceeded, DestinationRefused, InvalidSize.</summary>
    public GuestMemory Reserve(params (string Name, long Length)[] blocks)
    {
        // Each length is positive and all together were checked to fit; a sum that overflows is refused like any that is too large.
        var total = blocks.Sum(block => block.Length);
        policy.Room.Enter(total, policy.IdleTimeout / 2);
        _admitted = total;
        return Memory = new GuestMemory(blocks);
    }

    /// <summary>The migration is over: what the receiver counted for it is free. A guest keeps the memory itself.</summary>
    public void Leave()
    {
        if (_admitted > 0) policy.Room.Leave(_admitted);
    }

    /// <summary>No guest took it.</summary>
    public void Release() => Memory?.Release();
}
