using System.Numerics;
using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// In postcopy a page is placed once: the guest may have gone on with it. Two connections bring pages then, and no source of good will
/// sends one page over both; so that no other can overwrite a page that the guest runs on, a connection claims what it is about to write.
/// </summary>
sealed unsafe partial class ArrivingBlock
{
    ulong[]? _claimed;

    /// <summary>Stores a page, unless it has come or is being brought. Whether it did; then it counts.</summary>
    public bool TryStoreOnce(long page, ReadOnlySpan<byte> bytes)
    {
        if (Claim(page, 1) == 0) return false;
        Store(page, bytes);
        return true;
    }

    /// <summary>
    /// Claims pages that lie together, from the first on as far as none has come and nobody brings one. Returns how many, 0 when the first
    /// is none. They are to be written, then counted; or given back with <see cref="Unclaim"/>.
    /// </summary>
    public int Claim(long first, int max)
    {
        var claimed = _claimed ?? MakeClaims();
        for (var done = 0; done < max;)
        {
            var (word, bit) = ((int)((first + done) >> 6), (int)((first + done) & 63));
            var most = Math.Min(64 - bit, max - done);
            var taken = Volatile.Read(ref _received[word]) | Volatile.Read(ref claimed[word]);
            var free = Math.Min(most, BitOperations.TrailingZeroCount(taken >> bit));
            if (free > 0) free = Claim(ref claimed[word], bit, free);
            done += free;
            if (free < most) return done;
        }
        return max;
    }

    /// <summary>The same page by page: what it is tested against.</summary>
    public int ClaimPlain(long first, int max)
    {
        var done = 0;
        while (done < max && Claim(first + done, 1) == 1) done++;
        return done;
    }

    /// <summary>Claimed pages will not be brought after all; what was written of them does not count.</summary>
    public void Unclaim(long first, int count)
    {
        for (var page = first; page < first + count; page++) Interlocked.And(ref _claimed![page >> 6], ~(1UL << (int)(page & 63)));
    }

    // Another connection may have been faster; what lies behind its page is given back.
    static int Claim(ref ulong claimed, int bit, int count)
    {
        var mask = BitWords.Mask(bit, count);
        var others = Interlocked.Or(ref claimed, mask) & mask;
        if (others == 0) return count;
        var free = BitOperations.TrailingZeroCount(others) - bit;
        Interlocked.And(ref claimed, ~(BitWords.Mask(bit, count) & ~others & ~(free == 0 ? 0 : BitWords.Mask(bit, free))));
        return free;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    ulong[] MakeClaims()
    {
        var made = new ulong[_received.Length];
        return Interlocked.CompareExchange(ref _claimed, made, null) ?? made;
    }
}
