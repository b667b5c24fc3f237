using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>The rehearsal goes all the way, and nothing of it is seen or stays.</summary>
[Collection("Alone")]
public sealed class RehearsalTests
{
    [Fact]
    public void It_goes_through_every_phase_and_nobody_sees_it()
    {
        var (guests, migrations, receivers) = (GuestRegistry.All, MigrationRegistry.All, ReceiverRegistry.All);
        var result = Rehearsal.Perform();
        Assert.True(result.State == MigrationStatus.Completed, result.ToString());
        Assert.Equal(GuestLocation.Destination, result.Location);
        // The guest ran: a stop, a hand-over and a start were among it.
        Assert.True(result.DowntimeParts.Resume > TimeSpan.Zero);
        Assert.Equal(guests, GuestRegistry.All);
        Assert.Equal(migrations, MigrationRegistry.All);
        Assert.Equal(receivers, ReceiverRegistry.All);
    }

    [LinuxFact]
    public void Nothing_of_it_stays()
    {
        Rehearsal.Perform();
        ProcessState.AssertNoThreads();
        var (sockets, mapped) = (ProcessState.Sockets(), ProcessState.Mapped());
        for (var i = 0; i < 50; i++) Assert.Equal(MigrationStatus.Completed, Rehearsal.Perform().State);
        ProcessState.AssertNoThreads();
        Assert.Equal(sockets, ProcessState.Sockets());
        ProcessState.AssertMapped(mapped, 400 * TestGuests.MiB);
    }

    [Fact]
    public void A_guest_of_the_same_name_is_not_in_its_way()
    {
        var guest = TestGuests.Create(TestGuests.Options(GuestWorkload.Idle, host: GuestRegistry.DefaultHost) with { Name = "rehearsal" });
        try
        {
            Assert.Equal(MigrationStatus.Completed, Rehearsal.Perform().State);
            Assert.Same(guest, GuestRegistry.Find(GuestRegistry.DefaultHost, "rehearsal"));
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [Fact]
    public void Once_begun_it_is_over_for_everybody_who_waits()
    {
        Rehearsal.Begin();
        Rehearsal.Begin();
        Assert.True(Patience.Within(() =>
        {
            Rehearsal.Await();
            return true;
        }, "the rehearsal"));
    }
}
