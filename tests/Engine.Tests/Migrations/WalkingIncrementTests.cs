using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>QEMU's own migration test: each page's first byte is incremented in turn, so a lost or torn page stands out.</summary>
public sealed class WalkingIncrementTests
{
    [Fact]
    public void No_page_is_ever_more_than_one_step_behind_after_a_migration()
    {
        for (var round = 0; round < 8; round++)
        {
            using var rig = new Rig(TestGuests.Options(GuestWorkload.WalkingIncrement, rate: round % 2 == 0 ? 0 : 80 * TestGuests.MiB));
            // As it was when the guest stopped, before a vCPU could run there.
            rig.Policy = rig.Policy with { StartSuspended = true };
            TestGuests.WaitForTick(rig.Guest, 5000);
            Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
            var arrived = rig.Arrived!;
            AssertNotTorn(rig.Options, arrived);
            arrived.Resume();
            TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 5000);
            arrived.Suspend();
            AssertNotTorn(rig.Options, arrived);
            Reference.AssertIntact(rig.Options, arrived);
        }
    }

    [Fact]
    public void A_lost_page_would_be_seen()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.WalkingIncrement, rate: 0));
        TestGuests.WaitForTick(rig.Guest, 10_000);
        rig.Guest.Suspend();
        var page = rig.Guest.Memory.Ram.Span(7 * GuestMemory.PageSize, GuestMemory.PageSize);
        page[0] -= 2;
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => AssertNotTorn(rig.Options, rig.Guest));
        page[0] += 2;
        AssertNotTorn(rig.Options, rig.Guest);
    }

    /// <summary>In each vCPU's share: the pages before the cursor have had one increment more than those behind it.</summary>
    static void AssertNotTorn(GuestOptions options, MemoryGuest guest)
    {
        var fresh = MemoryGuest.Create(options);
        foreach (var cpu in guest.Cpus)
        {
            var (first, count, tick) = (cpu.Program.FirstPage, cpu.Program.PageCount, (long)cpu.Tick);
            for (long page = 0; page < count; page++)
            {
                var steps = (tick / count) + (page < tick % count ? 1 : 0);
                var expected = (byte)(fresh.Memory.Ram.Page(first + page)[0] + steps);
                Assert.True(guest.Memory.Ram.Page(first + page)[0] == expected,
                    $"Page {first + page} at tick {tick}: {guest.Memory.Ram.Page(first + page)[0]} instead of {expected}.");
            }
        }
        fresh.Remove();
    }
}
