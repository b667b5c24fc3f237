using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>How many migrations and how much memory a receiver takes in at one time.</summary>
public sealed class AdmissionTests
{
    [Fact]
    public void Memory_is_counted_over_all_that_is_under_way_and_given_back()
    {
        var room = new Admission(10, 100);
        room.Enter(60, TimeSpan.Zero);
        Assert.Equal(MigrationErrorId.MemoryExceeded, Refused(room, 41));
        room.Enter(40, TimeSpan.Zero);
        Assert.Equal(MigrationErrorId.MemoryExceeded, Refused(room, 1));
        room.Leave(60);
        room.Enter(60, TimeSpan.Zero);
    }

    [Theory]
    [InlineData(101L)]
    [InlineData(long.MaxValue)]
    public void A_guest_that_never_fits_is_refused_without_a_wait(long bytes)
    {
        var room = new Admission(1, 100);
        room.Enter(10, TimeSpan.Zero);
        var error = Assert.Throws<MigrationException>(() => room.Enter(bytes, Patience.Limit));
        Assert.Equal((MigrationErrorId.MemoryExceeded, MigrationSide.Destination), (error.Id, error.Side));
    }

    [Fact]
    public void Without_a_place_it_waits_and_gets_the_one_that_becomes_free()
    {
        var room = new Admission(1, 100);
        room.Enter(100, TimeSpan.Zero);
        Assert.Equal(MigrationErrorId.DestinationRefused, Refused(room, 1));
        var waiting = Task.Factory.StartNew(() => room.Enter(100, Patience.Limit), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        room.Leave(100);
        Assert.True(waiting.Wait(Patience.Limit));
        Assert.Equal(MigrationErrorId.DestinationRefused, Refused(room, 1));
    }

    [Fact]
    public void Those_who_wait_get_places_in_the_order_in_which_they_came()
    {
        const int Count = 8;
        var room = new Admission(1, 1000);
        room.Enter(1, TimeSpan.Zero);
        var served = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var threads = new List<Task>();
        for (var number = 0; number < Count; number++)
        {
            var mine = number;
            threads.Add(Waiting(() =>
            {
                room.Enter(1, Patience.Limit);
                served.Enqueue(mine);
            }));
            Patience.Until(() => room.Waiting == mine + 1, "one more to wait");
        }
        for (var number = 0; number < Count; number++)
        {
            room.Leave(1);
            Patience.Until(() => served.Count == number + 1, "the next one");
        }
        Assert.Equal(Enumerable.Range(0, Count), served);
        Assert.True(Task.WaitAll([.. threads], Patience.Limit));
        Assert.Equal(0, room.Waiting);
    }

    [Fact]
    public void One_that_leaves_while_it_waits_gives_its_turn_to_the_next()
    {
        var room = new Admission(1, 1000);
        room.Enter(1, TimeSpan.Zero);
        var hasLeft = false;
        var gone = Waiting(() => room.Enter(1, Patience.Limit, () => Volatile.Read(ref hasLeft)));
        Patience.Until(() => room.Waiting == 1, "the first to wait");
        var next = Waiting(() => room.Enter(1, Patience.Limit));
        Patience.Until(() => room.Waiting == 2, "the second to wait");
        Volatile.Write(ref hasLeft, true);
        Patience.Until(() => room.Waiting == 1, "it to be noticed");
        var error = Assert.IsType<MigrationException>(Assert.Throws<AggregateException>(() => gone.Wait(Patience.Limit)).InnerException);
        Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link), (error.Id, error.Side));
        Assert.False(next.IsCompleted);
        room.Leave(1);
        Assert.True(next.Wait(Patience.Limit));
    }

    [Fact]
    public void One_that_is_refused_at_its_turn_does_not_hold_up_the_next()
    {
        var room = new Admission(1, 100);
        room.Enter(10, TimeSpan.Zero);
        // It fits by itself, and not beside what a lost guest still holds.
        var large = Waiting(() => room.Enter(95, Patience.Limit));
        Patience.Until(() => room.Waiting == 1, "the large one to wait");
        var small = Waiting(() => room.Enter(90, Patience.Limit));
        Patience.Until(() => room.Waiting == 2, "the small one to wait");
        room.LeavePlace();
        Assert.IsType<MigrationException>(Assert.Throws<AggregateException>(() => large.Wait(Patience.Limit)).InnerException);
        Assert.True(small.Wait(Patience.Limit));
    }

    [Fact]
    public void More_than_so_many_do_not_wait()
    {
        var room = new Admission(1, 1000);
        room.Enter(1, TimeSpan.Zero);
        var isOver = false;
        var waiting = Enumerable.Range(0, Admission.MostWaiting).Select(_ => Waiting(() => room.Enter(1, Patience.Limit, () => Volatile.Read(ref isOver)))).ToArray();
        Patience.Until(() => room.Waiting == Admission.MostWaiting, "all to wait");
        var error = Assert.Throws<MigrationException>(() => room.Enter(1, Patience.Limit));
        Assert.Equal(MigrationErrorId.DestinationRefused, error.Id);
        Assert.Contains($"{Admission.MostWaiting} more wait", error.Message, StringComparison.Ordinal);
        Volatile.Write(ref isOver, true);
        Assert.Throws<AggregateException>(() => Task.WaitAll(waiting, Patience.Limit));
        Assert.Equal(0, room.Waiting);
    }

    [Fact]
    public void Memory_beside_RAM_is_counted_in_sum_and_given_back()
    {
        var room = new Admission(10, 100, beside: 50);
        room.Hold(30);
        Assert.Equal(MigrationErrorId.MemoryExceeded, Assert.Throws<MigrationException>(() => room.Hold(21)).Id);
        room.Hold(20);
        room.Drop(50);
        var policy = Incoming.Policy() with { Room = room };
        var memory = new IncomingMemory(policy);
        memory.Hold(50);
        memory.Leave();
        // A channel's thread that is late takes nothing that nobody would give back.
        memory.Hold(50);
        room.Hold(50);
    }

    [Theory]
    [InlineData("early")]
    [InlineData("tail")]
    [InlineData("package")]
    public void What_streams_hold_beside_RAM_is_bounded_and_given_back(string where)
    {
        const int Size = 100_000;
        var policy = Incoming.Policy() with { Room = new Admission(64, 16 * TestGuests.MiB, beside: Size + 5000) };
        for (var i = 0; i < 3; i++) Assert.Null(Run(where, Size, policy).Error);
        var error = Run(where, Size + 5001, policy).Error!;
        Assert.Equal((MigrationErrorId.MemoryExceeded, MigrationSide.Destination), (error.Id, error.Side));
        TestGuests.RemoveAll(policy.HostName);
    }

    static IncomingMigration Run(string where, int size, IncomingPolicy policy)
    {
        var body = new byte[size];
        var stream = new ForeignStream().Header();
        stream = where switch
        {
            "early" => stream.Start().Device("virtio-mem-early", 0, body).Pages().End().Devices().Eof().Description(),
            "tail" => stream.Start().Pages().End().Device("timer", 0, body).Eof().Description(),
            _ => stream.ReturnPath().Advise().Start().Pages()
                .Package(package => package.Command(CommandType.PostcopyListen).Device("timer", 0, body).Command(CommandType.PostcopyRun)).End().Eof(),
        };
        return Incoming.Run(stream.Bytes, policy).Migration;
    }

    [Fact]
    public void Failed_streams_give_back_what_they_took()
    {
        // Room for one guest: each stream needs all of it.
        var policy = Incoming.Policy(maxMemory: 64 << 10);
        foreach (var last in new[] { StreamStep.Announcement, StreamStep.RamStart, StreamStep.RamEnd, StreamStep.Description })
        {
            var (migration, _) = Incoming.Run(RecordedStream.Upto(last, _ => { }), policy);
            Assert.Equal(MigrationErrorId.UnexpectedEnd, migration.Error!.Id);
        }
    }

    static Task Waiting(Action action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    static MigrationErrorId Refused(Admission room, long bytes) =>
        Assert.Throws<MigrationException>(() => room.Enter(bytes, TimeSpan.FromMilliseconds(1))).Id;
}
