using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>Who leaves when too many have not come to a guest.</summary>
public sealed class NewcomersTests
{
    readonly HashSet<ArrivedConnection> _held = [];
    readonly HashSet<ArrivedConnection> _kept = [];
    readonly List<ArrivedConnection> _here = [];

    [Fact]
    public void While_there_is_room_nobody_has_to()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.1:2");
        Assert.Null(Leaves(3));
    }

    [Fact]
    public void It_is_the_oldest_of_the_address_that_most_come_from()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.2:1", "tcp:10.0.0.2:2", "tcp:[::1]:1");
        Assert.Same(_here[1], Leaves(4));
        _here.RemoveAt(1);
        Come("tcp:10.0.0.1:2");
        Assert.Same(_here[0], Leaves(4));
    }

    [Fact]
    public void Those_that_came_to_a_guest_neither_count_nor_leave()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.1:2", "tcp:10.0.0.1:3");
        _held.Add(_here[0]);
        Assert.Null(Leaves(3));
        Assert.Same(_here[1], Leaves(2));
    }

    [Fact]
    public void One_that_may_be_somebodys_stays_and_the_next_one_leaves()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.1:2");
        _kept.Add(_here[0]);
        Assert.Null(Leaves(2));
        Come("tcp:10.0.0.1:3");
        Assert.Same(_here[1], Leaves(2));
    }

    [Fact]
    public void Channels_of_a_guest_that_is_awaited_leave_last()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.1:2", "tcp:10.0.0.2:1");
        _here[0].IsExpected = _here[1].IsExpected = true;
        Assert.Same(_here[2], Leaves(3));
        _here.RemoveAt(2);
        Assert.Same(_here[0], Leaves(2));
    }

    [Fact]
    public void Each_has_a_while_for_certain()
    {
        Come("tcp:10.0.0.1:1", "tcp:10.0.0.1:2");
        var newcomers = new Newcomers(2, Patience.Limit, _held.Contains, _kept.Contains);
        Assert.True(newcomers.MustWait(_here, out var wait, out var leaves));
        Assert.Null(leaves);
        Assert.InRange(wait, TimeSpan.FromTicks(1), Patience.Limit);
    }

    [Fact]
    public void So_many_are_leaving_at_one_time_and_no_more()
    {
        Come([.. Enumerable.Range(0, 40).Select(port => $"tcp:10.0.0.1:{port}")]);
        for (var i = 0; i < 16; i++) Assert.Same(_here[i], Leaves(10));
        Assert.True(new Newcomers(10, TimeSpan.Zero, _held.Contains, _kept.Contains).MustWait(_here, out _, out var leaves));
        Assert.Null(leaves);
        _here.RemoveAt(0);
        Assert.Same(_here[15], Leaves(10));
    }

    void Come(params string[] peers)
    {
        foreach (var peer in peers) _here.Add(new ArrivedConnection(new From(peer)));
    }

    ArrivedConnection? Leaves(int most)
    {
        Assert.False(new Newcomers(most, TimeSpan.Zero, _held.Contains, _kept.Contains).MustWait(_here, out _, out var leaves));
        Assert.Equal(leaves is not null, leaves?.IsEvicted == true);
        return leaves;
    }

    /// <summary>A connection of which only the address matters.</summary>
    sealed class From(string peer) : IConnection
    {
        public System.IO.Pipelines.PipeReader Input => throw new NotSupportedException();

        public System.IO.Pipelines.PipeWriter Output => throw new NotSupportedException();

        public long BytesSent => 0;

        public long BytesReceived => 0;

        public string Peer => peer;

        public void Abort()
        {
        }

        public void EndInput()
        {
        }

        public void Dispose()
        {
        }
    }
}
