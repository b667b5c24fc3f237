using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>A page that is written while it is looked at: what is kept is what the destination has, at every moment.</summary>
public sealed class XbzrleSaverTests
{
    const int Page = GuestMemory.PageSize;

    [Fact]
    public void What_is_kept_is_what_the_destination_has_while_a_vcpu_writes()
    {
        using var saver = new XbzrleSaver(16 * Page);
        var (page, destination) = (new byte[Page], new byte[Page]);
        page[0] = 1;
        var end = false;
        var writer = new Thread(() =>
        {
            for (ulong state = 1; !Volatile.Read(ref end);)
            {
                var draw = Generator.Next(ref state);
                Volatile.Write(ref page[draw % Page], (byte)(draw >> 32));
            }
        }) { IsBackground = true };
        writer.Start();
        var (generation, differences) = (1, 0);
        Patience.Until(() =>
        {
            for (var turn = 0; turn < 100; turn++)
            {
                if (Apply(saver, page, destination, ++generation) == XbzrleOutcome.Difference) differences++;
                // The copy that is kept says of what the destination has that nothing has changed.
                ReadOnlySpan<byte> there = destination;
                Assert.Equal(XbzrleOutcome.Nothing, saver.Save(0, generation, isLastStage: true, ref there, out _));
            }
            // So many only if the page was written all the while, and not just in between.
            return differences > 5000;
        }, "differences of a page that is written");
        Volatile.Write(ref end, true);
        Assert.True(writer.Join(Patience.Limit));
        Apply(saver, page, destination, ++generation);
        Assert.Equal(page, destination);
    }

    /// <summary>Sends the page as it is by now to the destination.</summary>
    static XbzrleOutcome Apply(XbzrleSaver saver, byte[] page, byte[] destination, int generation)
    {
        ReadOnlySpan<byte> bytes = page;
        var outcome = saver.Save(0, generation, isLastStage: false, ref bytes, out var encoded);
        if (outcome == XbzrleOutcome.Whole) bytes.CopyTo(destination);
        else if (outcome == XbzrleOutcome.Difference) Assert.True(Xbzrle.TryDecode(encoded, destination));
        return outcome;
    }
}
