using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Soak;

/// <summary>One guest of the fleet: where it is, and the same guest as one that stayed.</summary>
sealed class SoakGuest(int number, SoakPeer at)
{
    readonly MemoryGuest _stayed = GuestRegistry.Create(SoakGuests.Stayed(number));

    public int Number => number;

    public string Name { get; } = SoakGuests.NameOf(number);

    /// <summary>The side that it runs on.</summary>
    public SoakPeer At { get; set; } = at;

    /// <summary>Journeys since it was last compared.</summary>
    public int Journeys { get; set; }

    /// <summary>The digest of the one that stayed, at this tick; it must lie behind the last one.</summary>
    public string DigestOfStayed(long tick)
    {
        _stayed.StopAtTick(tick);
        _stayed.Resume();
        Waiting.Until(() => Array.TrueForAll(_stayed.Ticks, ticks => ticks == tick), $"{Name} that stayed does not come to tick {tick}");
        _stayed.Suspend();
        return _stayed.Digest();
    }
}
