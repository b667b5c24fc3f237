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

    static MigrationErrorId Refused(Admission room, long bytes) =>
        Assert.Throws<MigrationException>(() => room.Enter(bytes, TimeSpan.FromMilliseconds(1))).Id;
}
