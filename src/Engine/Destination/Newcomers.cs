using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// How many connections may be here that have not come to a guest: silent ones, half a header, channels of nobody. Each has a thread, and
/// <see cref="IncomingPolicy.FirstWordTimeout"/> is long for whoever waits behind them. So where there are too many, the oldest one leaves,
/// of the address that most of them come from: a source at any other address loses nothing, and one at the same address says who it is long
/// before it is the oldest. Not thread-safe.
/// </summary>
/// <param name="most">How many.</param>
/// <param name="least">What each has for certain, however many more come.</param>
/// <param name="isHeld">Whether a connection has come to a guest, or belongs to one: it does not count, and is never cut.</param>
/// <param name="keeps">Whether one that would be cut is to be held from now on.</param>
sealed class Newcomers(int most, TimeSpan least, Func<ArrivedConnection, bool> isHeld, Func<ArrivedConnection, bool> keeps)
{
    /// <summary>Two round trips of a bad link and more, which is what a source needs to say who it is.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    // Those that were cut end in a moment, and count until then: however fast others come, there are no more than so many besides.
    const int MostLeaving = 16;

    /// <summary>Whether one more has to wait, and how long until it is worth another look; else who leaves for it, if anybody.</summary>
    public bool MustWait(IReadOnlyCollection<ArrivedConnection> connections, out TimeSpan wait, out ArrivedConnection? leaves)
    {
        (wait, leaves) = (TimeSpan.Zero, null);
        if (connections.Count < most) return false;
        var newcomers = connections.Where(one => !one.IsEvicted && !isHeld(one)).ToList();
        while (newcomers.Count >= most)
        {
            wait = least;
            if (connections.Count(one => one.IsEvicted) >= MostLeaving) return true;
            var oldest = Oldest(newcomers);
            wait = least - oldest.Age;
            if (wait > TimeSpan.Zero) return true;
            newcomers.Remove(oldest);
            if (keeps(oldest)) continue;
            oldest.IsEvicted = true;
            leaves = oldest;
            return false;
        }
        return false;
    }

    /// <summary>Why a connection was cut that had to leave.</summary>
    public static MigrationException Evicted(ArrivedConnection arrived) => new(MigrationErrorId.PeerSilent, MigrationSide.Source,
        $"Too many connections had not said who comes; this one, the oldest of {arrived.Host}, made room for others.");

    /// <summary>A channel whose main stream is there comes last: its guest could not come without it.</summary>
    static ArrivedConnection Oldest(List<ArrivedConnection> newcomers)
    {
        var strangers = newcomers.FindAll(one => !one.IsExpected);
        return (strangers.Count > 0 ? strangers : newcomers).GroupBy(one => one.Host).MaxBy(group => group.Count())!.MinBy(one => one.Start)!;
    }
}
