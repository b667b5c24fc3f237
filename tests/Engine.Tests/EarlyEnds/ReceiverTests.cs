using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>A receiver on a real socket: stopped, flooded, and left by its sources, it keeps or gives up as it must.</summary>
public sealed class ReceiverTests
{
    static readonly TimeSpan Connect = TimeSpan.FromSeconds(10);

    static MigrationReceiver Start(TimeSpan? firstWord = null, int connections = 64) => MigrationReceiver.Start(new ReceiverOptions
    {
        HostName = TestGuests.UniqueName("there"),
        FirstWordTimeout = firstWord ?? Patience.Limit,
        MaxMigrations = connections,
        MaxMemory = 64 * TestGuests.MiB,
    });

    [Theory]
    [InlineData(MigrationPhase.Setup)]
    [InlineData(MigrationPhase.Iterate)]
    [InlineData(MigrationPhase.CompleteRam)]
    [InlineData(MigrationPhase.SaveDevices)]
    public void Stopped_in_the_middle_it_breaks_off_and_the_guest_runs_on_here(MigrationPhase where)
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        var receiver = Start();
        var migration = Migration.Start(guest, receiver.Uri, new MigrationParameters { Verify = true }, phase =>
        {
            if (phase == where) receiver.Stop();
        });
        Assert.True(migration.Wait(Patience.Limit));
        var result = migration.Result!;
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(0, receiver.ActiveCount);
        Assert.Equal(ReceiverStatus.Stopped, receiver.Status);
        Assert.DoesNotContain(receiver, ReceiverRegistry.All);
        Assert.Empty(TestGuests.On(receiver.HostName));
        Assert.Equal(GuestState.Running, guest.State);
        Reference.AssertIntact(options, guest);
        TestGuests.RemoveAll(options.Host);
    }

    [Fact]
    public void A_source_that_dies_at_any_step_leaves_nothing_and_the_next_is_served()
    {
        using var receiver = Start();
        var guest = RecordedStream.SmallGuest();
        // One of ours that has only greeted is no arrival yet (QuestionTests); cut, its greeting may not be read any more.
        foreach (var step in Enum.GetValues<StreamStep>().Where(step => step is not (StreamStep.ExtensionPing or StreamStep.Run)))
            foreach (var isCut in new[] { false, true })
            {
                var link = Connector.Connect(receiver.Uri, Connect, default);
                var stream = new StreamBuilder(guest, link.Output, Guid.NewGuid(), name: TestGuests.UniqueName()).UpTo(step);
                Assert.True(stream.Wire.Position > 0);
                if (isCut) link.Abort();
                link.Dispose();
                Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), $"The receiver did not notice the end at {step}.");
                Assert.Equal(MigrationStatus.Failed, arrival.State);
                Assert.Contains(arrival.Error!.Id, new[] { MigrationErrorId.UnexpectedEnd, MigrationErrorId.ConnectionLost });
                Assert.Null(arrival.Guest);
                Assert.Empty(TestGuests.On(receiver.HostName));
            }
        guest.Remove();
        AssertServes(receiver);
    }

    [Fact]
    public void Rubbish_is_answered_and_the_next_is_served()
    {
        using var receiver = Start();
        for (var seed = 0; seed < 8; seed++)
        {
            using var link = Connector.Connect(receiver.Uri, Connect, default);
            var rubbish = new byte[200];
            new Random(seed).NextBytes(rubbish);
            try
            {
                link.Output.WriteAsync(rubbish).AsTask().GetAwaiter().GetResult();
            }
            catch (MigrationException e) when (e.Id == MigrationErrorId.ConnectionLost)
            {
                // The first bytes were enough for it.
            }
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal(MigrationErrorId.BadMagic, arrival.Error!.Id);
        }
        Assert.Equal(8, receiver.FailedCount);
        AssertServes(receiver);
    }

    [Fact]
    public void Silent_connections_hold_nobody_up_and_end_after_a_while()
    {
        // Long enough for a guest on a machine that is busy; who is told first, it or they, does not matter.
        using var receiver = Start(TimeSpan.FromSeconds(6), connections: 2);
        var links = Enumerable.Range(0, 6).Select(_ => Connector.Connect(receiver.Uri, Connect, default)).ToList();
        // More of them than migrations are allowed, and a guest still gets in.
        var migration = Migration.Start(TestGuests.Create(TestGuests.Options(size: 4 * TestGuests.MiB)), receiver.Uri, new MigrationParameters { Verify = true });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.Verified, migration.Result.ToString());
        var ends = new List<MigrationErrorId?>();
        while (ends.Count < links.Count + 1)
        {
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            ends.Add(arrival.Error?.Id);
        }
        Assert.Equal(links.Count, ends.Count(id => id == MigrationErrorId.PeerSilent));
        Assert.Contains(null, ends);
        Assert.Equal(0, receiver.ActiveCount);
        links.ForEach(link => link.Dispose());
        TestGuests.RemoveAll(receiver.HostName);
        AssertServes(receiver);
    }

    [Fact]
    public void Guests_that_arrived_stay_when_it_stops()
    {
        var receiver = Start();
        var arrived = AssertServes(receiver, keep: true);
        receiver.Stop();
        receiver.Dispose();
        Assert.Equal(GuestState.Running, arrived.State);
        Assert.False(receiver.TryTakeArrival(out _, Patience.Limit));
        GuestRegistry.Remove(arrived);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    public void Times_that_can_not_be_are_refused_at_the_start(int seconds)
    {
        var time = TimeSpan.FromSeconds(seconds);
        foreach (var options in new[] { new ReceiverOptions { FirstWordTimeout = time }, new ReceiverOptions { RunTimeout = time } })
            Assert.Equal(MigrationErrorId.InvalidParameter, Assert.Throws<MigrationException>(() => MigrationReceiver.Start(options)).Id);
    }

    [Fact]
    public void Options_that_can_not_be_are_refused_at_the_start()
    {
        Assert.Equal(MigrationErrorId.UnsupportedUri, Refusal(new() { Uri = MigrationUri.Parse("local:x") }));
        Assert.Equal(MigrationErrorId.InsecureAddress, Refusal(new() { Uri = MigrationUri.Parse("tcp:0.0.0.0:0") }));
        Assert.Equal(MigrationErrorId.InvalidParameter, Refusal(new() { MaxMemory = -1 }));
        Assert.Equal(MigrationErrorId.InvalidParameter, Refusal(new() { MaxMigrations = 0 }));
        Assert.Equal(MigrationErrorId.InvalidGuestName, Refusal(new() { HostName = "a*" }));
        using var receiver = Start();
        Assert.Equal(MigrationErrorId.AddressInUse, Refusal(new() { Uri = receiver.Uri }));
    }

    static MigrationErrorId Refusal(ReceiverOptions options)
    {
        return Assert.Throws<MigrationException>(() => MigrationReceiver.Start(options)).Id;
    }

    static MemoryGuest AssertServes(MigrationReceiver receiver, bool keep = false)
    {
        var options = TestGuests.Options(size: 4 * TestGuests.MiB);
        var migration = Migration.Start(TestGuests.Create(options), receiver.Uri, new MigrationParameters { Verify = true });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.Verified, migration.Result.ToString());
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
        Assert.Equal(MigrationStatus.Completed, arrival.State);
        Assert.Equal(options.MemorySize, arrival.TotalBytes);
        if (!keep)
        {
            Reference.AssertIntact(options, arrival.Guest!);
            GuestRegistry.Remove(arrival.Guest!);
        }
        return arrival.Guest!;
    }
}
