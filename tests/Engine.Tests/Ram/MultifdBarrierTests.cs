using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Main stream and channels wait for each other at the marks, and nobody waits for one that is gone.</summary>
public sealed class MultifdBarrierTests
{
    [Fact]
    public void Nobody_passes_a_mark_before_all_are_there()
    {
        const int Channels = 16, Marks = 200;
        var barrier = new MultifdBarrier();
        var progress = new int[Channels + 1];
        var channels = Enumerable.Range(1, Channels).Select(i => (i, member: barrier.Join())).ToArray().Select(one => Run(() =>
        {
            for (var k = 1; k <= Marks; k++)
            {
                Arrive(one.i, k);
                Assert.True(one.member.Synchronize());
            }
        })).ToArray();
        for (var k = 1; k <= Marks; k++)
        {
            Arrive(0, k);
            barrier.PassMark();
        }
        Assert.True(Task.WaitAll(channels, Patience.Limit));

        // Nobody has gone on from mark k - 1 before all were there, and nobody is beyond mark k.
        void Arrive(int who, int k)
        {
            for (var other = 0; other <= Channels; other++) Assert.InRange(Volatile.Read(ref progress[other]), k - 1, k);
            Volatile.Write(ref progress[who], k);
        }
    }

    [Fact]
    public void A_slow_channel_holds_the_main_stream_and_the_others()
    {
        var barrier = new MultifdBarrier();
        var (fast, slow) = (barrier.Join(), barrier.Join());
        var ahead = Run(() => fast.Synchronize());
        var main = Run(barrier.PassMark);
        Patience.Until(() => fast.Delivered == 1, "the fast one at its mark");
        Assert.False(Task.WaitAny([main, ahead], 50) >= 0, "Somebody went on without the slow channel.");
        Assert.True(slow.Synchronize());
        Assert.True(Task.WaitAll([main, ahead], Patience.Limit));
    }

    [Fact]
    public void A_channel_that_dies_before_its_SYNC_ends_the_migration_for_all()
    {
        var barrier = new MultifdBarrier();
        var (dead, other) = (barrier.Join(), barrier.Join());
        var waiting = Run(() => other.Synchronize());
        var main = Run(barrier.PassMark);
        dead.Leave();
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Error(main).Id);
        Assert.False(Result(waiting));
        Assert.False(other.TryBegin());
    }

    [Fact]
    public void A_channel_may_end_once_its_last_SYNC_is_delivered()
    {
        var barrier = new MultifdBarrier();
        var member = barrier.Join();
        var channel = Run(() =>
        {
            Assert.True(member.Synchronize());
            member.Leave();
        });
        barrier.PassMark();
        Assert.True(channel.Wait(Patience.Limit));
        barrier.Finish();
        Assert.Null(barrier.Error);
    }

    [Fact]
    public void A_failure_wakes_all_and_the_first_one_stays()
    {
        var barrier = new MultifdBarrier();
        var (one, _) = (barrier.Join(), barrier.Join());
        var channel = Run(() => one.Synchronize());
        var main = Run(barrier.PassMark);
        var reason = new MigrationException(MigrationErrorId.OffsetOutOfRange, MigrationSide.Source, "one");
        barrier.Fail(reason);
        barrier.Fail(new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "two"));
        Assert.Same(reason, Error(main));
        Assert.False(Result(channel));
        Assert.Same(reason, Assert.Throws<MigrationException>(barrier.PassMark));
        Assert.Same(reason, Assert.Throws<MigrationException>(barrier.Finish));
    }

    [Fact]
    public void A_channel_that_comes_after_the_first_mark_is_in_step_from_there()
    {
        var barrier = new MultifdBarrier();
        barrier.PassMark();
        var late = barrier.Join();
        Assert.True(late.Synchronize());
        var main = Run(barrier.PassMark);
        Assert.False(main.Wait(50), "The main stream did not wait for it at the second mark.");
        Assert.True(late.Synchronize());
        Assert.True(main.Wait(Patience.Limit));
    }

    [Fact]
    public void After_the_end_no_channel_writes_and_one_that_does_is_found()
    {
        var barrier = new MultifdBarrier();
        var (idle, busy) = (barrier.Join(), barrier.Join());
        Assert.True(busy.TryBegin());
        Assert.Equal(MigrationErrorId.OutOfOrder, Assert.Throws<MigrationException>(barrier.Finish).Id);
        Assert.False(idle.TryBegin());

        barrier = new MultifdBarrier();
        var member = barrier.Join();
        Assert.True(member.TryBegin());
        member.End();
        barrier.Finish();
        Assert.False(member.TryBegin());
        Assert.False(member.Synchronize());
    }

    static Task Run(Action action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    static Task<bool> Run(Func<bool> action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    static MigrationException Error(Task task) =>
        Assert.IsType<MigrationException>(Assert.Throws<AggregateException>(() => task.Wait(Patience.Limit)).InnerException);

    static bool Result(Task<bool> task)
    {
        Assert.True(task.Wait(Patience.Limit));
        return task.Result;
    }
}
