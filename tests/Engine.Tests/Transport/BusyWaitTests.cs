using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>How often a thread looks for what comes before it sleeps.</summary>
public sealed class BusyWaitTests
{
    const int Much = 64 << 10;

    [Fact]
    public void Behind_a_message_nothing_is_looked_for()
    {
        var wait = new BusyWait();
        var looked = new Looked(after: 1);
        wait.Came(8);
        wait.Wait(looked);
        Assert.Equal(0, looked.Count);
    }

    [Fact]
    public void Behind_pages_it_is_looked_for_until_it_is_there()
    {
        var wait = new BusyWait();
        wait.Came(Much);
        for (var round = 0; round < 100; round++)
        {
            var looked = new Looked(after: 3);
            wait.Wait(looked);
            // A machine that stands still for a moment is taken for a peer that does not answer.
            if (looked.Count == 3) return;
            wait.Came(Much);
        }
        Assert.Fail("It never looked three times in a hundred rounds.");
    }

    [Fact]
    public void In_vain_it_is_looked_for_ever_less_often_and_never_given_up()
    {
        var wait = new BusyWait();
        var gaps = new List<int>();
        var gap = 0;
        for (var turn = 0; turn < 500; turn++)
        {
            wait.Came(Much);
            var looked = new Looked(after: int.MaxValue);
            wait.Wait(looked);
            gap++;
            if (looked.Count == 0) continue;
            gaps.Add(gap);
            gap = 0;
        }
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 64], gaps[..8]);
        Assert.All(gaps[8..], last => Assert.Equal(64, last));
    }

    [Fact]
    public void What_is_there_at_once_makes_up_for_what_was_in_vain()
    {
        var wait = new BusyWait();
        for (var turn = 0; turn < 200; turn++)
        {
            wait.Came(Much);
            wait.Wait(new Looked(after: int.MaxValue));
        }
        var there = new Looked(after: 1);
        for (var turn = 0; there.Count == 0 && turn < 64; turn++)
        {
            wait.Came(Much);
            wait.Wait(there);
        }
        Assert.Equal(1, there.Count);
        there = new Looked(after: 1);
        wait.Wait(there);
        Assert.Equal(1, there.Count);
    }

    sealed class Looked(int after) : IWaitedFor
    {
        public int Count { get; private set; }

        public bool IsThere => ++Count >= after;
    }
}
