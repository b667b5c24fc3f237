using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Crowds;

/// <summary>Several who want the same thing at one time: a port, a name, a place.</summary>
public sealed class MeetingTests
{
    [Fact]
    public void Of_two_receivers_on_one_port_the_second_fails_and_the_first_goes_on()
    {
        using var first = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        var again = new ReceiverOptions { HostName = TestGuests.UniqueName("there"), Uri = first.Uri };
        var error = Assert.Throws<MigrationException>(() => MigrationReceiver.Start(again));
        Assert.Equal((MigrationErrorId.AddressInUse, MigrationSide.User), (error.Id, error.Side));
        Crowd.AssertServes(first);
        first.Stop();
        using var second = MigrationReceiver.Start(again);
        Crowd.AssertServes(second);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_two_guests_with_one_name_exactly_one_gets_in_and_the_other_runs_on(bool isFirstAhead)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        var name = TestGuests.UniqueName();
        GuestOptions[] options = [.. Enumerable.Range(1, 2).Select(seed => TestGuests.Options(size: 4 * TestGuests.MiB) with { Name = name, Seed = (ulong)seed })];
        var guests = options.Select(TestGuests.Create).ToArray();
        // Both are known to the receiver before either is there.
        var met = 0;
        var migrations = new Migration[2];
        for (var i = 0; i < 2; i++)
        {
            var other = 1 - i;
            var isAhead = i == 0 == isFirstAhead;
            migrations[i] = Migration.Start(guests[i], receiver.Uri, new MigrationParameters { Verify = true }, phase =>
            {
                if (phase != MigrationPhase.StopGuest) return;
                Interlocked.Increment(ref met);
                Patience.Until(() => Volatile.Read(ref met) == 2 || migrations[other]?.IsEnded == true, "the other one");
                if (!isAhead) Patience.Until(() => migrations[other]?.IsEnded == true, "the other one to be through");
            });
        }
        foreach (var migration in migrations) Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(2, met);
        var winner = isFirstAhead ? 0 : 1;
        var (result, lost) = (migrations[winner].Result!, migrations[1 - winner].Result!);
        Assert.True(result.Verified, result.ToString());
        Assert.Equal((MigrationErrorId.DuplicateGuestName, MigrationSide.Destination, GuestLocation.Source), (lost.Error!.Id, lost.Error.Side, lost.Location));
        Reference.AssertIntact(options[winner], Assert.Single(TestGuests.On(receiver.HostName)));
        Assert.Equal(GuestState.Running, guests[1 - winner].State);
        TestGuests.WaitForTick(guests[1 - winner], guests[1 - winner].Ticks.Max() + 10);
        Reference.AssertIntact(options[1 - winner], guests[1 - winner]);
        TestGuests.RemoveAll(options[0].Host, options[1].Host, receiver.HostName);
    }

    [Fact]
    public void Two_with_names_of_their_own_both_get_in()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        GuestOptions[] options = [.. Enumerable.Range(1, 2).Select(seed => TestGuests.Options(size: 4 * TestGuests.MiB) with { Seed = (ulong)seed })];
        using var both = new Barrier(2);
        var migrations = options.Select(one => Migration.Start(TestGuests.Create(one), receiver.Uri, new MigrationParameters { Verify = true }, phase =>
        {
            if (phase == MigrationPhase.StopGuest) Assert.True(both.SignalAndWait(Patience.Limit));
        })).ToArray();
        foreach (var migration in migrations)
        {
            Assert.True(migration.Wait(Patience.Limit));
            Assert.True(migration.Result!.Verified, migration.Result.ToString());
        }
        foreach (var one in options) Reference.AssertIntact(one, TestGuests.On(receiver.HostName).Single(guest => guest.Name == one.Name));
        TestGuests.RemoveAll(options[0].Host, options[1].Host, receiver.HostName);
    }

    [Fact]
    public void Sources_without_a_place_get_in_in_the_order_in_which_they_came_and_one_that_leaves_is_noticed()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), MaxMigrations = 1, IdleTimeout = TimeSpan.FromHours(1) });
        GuestOptions[] options = [.. Enumerable.Range(0, 4).Select(_ => TestGuests.Options(size: 4 * TestGuests.MiB))];
        var parameters = new MigrationParameters { AnswerTimeout = TimeSpan.FromHours(1), MaxBandwidth = 64 << 10, Verify = true };
        var migrations = new List<Migration>();
        foreach (var one in options)
        {
            migrations.Add(Migration.Start(TestGuests.Create(one), receiver.Uri, migrations.Count == 0 ? parameters : parameters with { MaxBandwidth = 0 }));
            if (migrations.Count == 1) Patience.Until(() => receiver.GetState().Incoming is [{ State: MigrationStatus.Active }], "the first");
            Patience.Until(() => receiver.GetState().WaitingCount == migrations.Count - 1, "one more to wait");
        }
        Assert.Equal(CancelOutcome.Cancelled, migrations[1].Cancel().Outcome);
        Patience.Until(() => receiver.GetState().WaitingCount == 2, "the one that left to be noticed");
        Assert.True(receiver.TryTakeArrival(out var left, Patience.Limit));
        Assert.Equal((options[1].Name, MigrationErrorId.ConnectionLost), (left.Name, left.Error!.Id));
        migrations[0].SetLimits(new MigrationLimits { MaxBandwidth = 0 });
        foreach (var number in new[] { 0, 2, 3 })
        {
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal((options[number].Name, MigrationStatus.Completed), (arrival.Name, arrival.State));
            Assert.True(migrations[number].Wait(Patience.Limit));
            Assert.True(migrations[number].Result!.Verified);
            Reference.AssertIntact(options[number], arrival.Guest!);
        }
        TestGuests.RemoveAll([.. options.Select(one => one.Host), receiver.HostName]);
    }
}
