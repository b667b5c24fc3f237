using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>What a new guest can be, and the registry of those that are.</summary>
public sealed class GuestOptionsTests
{
    static readonly GuestOptions Good = TestGuests.Options(GuestWorkload.Idle, TestGuests.MiB);

    public static TheoryData<MigrationErrorId, GuestOptions> Bad => new()
    {
        { MigrationErrorId.InvalidGuestName, Good with { Name = "" } },
        { MigrationErrorId.InvalidGuestName, Good with { Name = " " } },
        { MigrationErrorId.InvalidGuestName, Good with { Name = "web*" } },
        { MigrationErrorId.InvalidGuestName, Good with { Name = "a\nb" } },
        { MigrationErrorId.InvalidGuestName, Good with { Name = new string('x', 65) } },
        { MigrationErrorId.InvalidSize, Good with { MemorySize = 0 } },
        { MigrationErrorId.InvalidSize, Good with { MemorySize = -4096 } },
        { MigrationErrorId.InvalidSize, Good with { MemorySize = 4095 } },
        { MigrationErrorId.InvalidSize, Good with { MemorySize = long.MaxValue } },
        { MigrationErrorId.MemoryExceeded, Good with { MemorySize = 1L << 44 } },
        { MigrationErrorId.InvalidSize, Good with { WorkingSet = 2 * TestGuests.MiB } },
        { MigrationErrorId.InvalidSize, Good with { WorkingSet = -4096 } },
        { MigrationErrorId.InvalidSize, Good with { ContentSize = 1 } },
        { MigrationErrorId.InvalidParameter, Good with { ProcessorCount = 0 } },
        { MigrationErrorId.InvalidParameter, Good with { ProcessorCount = 65 } },
        { MigrationErrorId.InvalidParameter, Good with { DirtyRate = -1 } },
        { MigrationErrorId.InvalidParameter, Good with { WriteSize = 0 } },
        { MigrationErrorId.InvalidParameter, Good with { WriteSize = 12 } },
        { MigrationErrorId.InvalidParameter, Good with { WriteSize = 4104 } },
        { MigrationErrorId.InvalidParameter, Good with { ProcessorCount = 4, WorkingSet = 3 * 4096 } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void What_can_not_be_is_refused_and_nothing_is_registered(MigrationErrorId expected, GuestOptions options)
    {
        var error = Assert.Throws<MigrationException>(() => GuestRegistry.Create(options));
        Assert.Equal((expected, MigrationSide.User), (error.Id, error.Side));
        Assert.Empty(TestGuests.On(options.Host));
    }

    [Fact]
    public void Names_are_unique_on_a_host_whatever_their_case()
    {
        var options = TestGuests.Options(GuestWorkload.Idle, TestGuests.MiB);
        var guest = TestGuests.Create(options);
        Assert.Equal(MigrationErrorId.DuplicateGuestName,
            Assert.Throws<MigrationException>(() => GuestRegistry.Create(options with { Name = options.Name.ToUpperInvariant() })).Id);
        var elsewhere = GuestRegistry.Create(options with { Host = TestGuests.UniqueName("host") });
        Assert.Same(guest, GuestRegistry.Find(options.Host, options.Name.ToUpperInvariant()));
        GuestRegistry.Remove(guest);
        Assert.Null(GuestRegistry.Find(options.Host, options.Name));
        GuestRegistry.Remove(elsewhere);
    }

    [Fact]
    public void A_removed_guest_answers_with_an_error_and_its_memory_is_gone()
    {
        var guest = TestGuests.Create(Good with { Name = TestGuests.UniqueName() });
        GuestRegistry.Remove(guest);
        GuestRegistry.Remove(guest);
        Assert.Equal(GuestState.Removed, guest.State);
        Assert.False(guest.Memory.TryAddReference());
        Assert.Equal(MigrationErrorId.GuestNotFound, Assert.Throws<MigrationException>(() => guest.Digest()).Id);
        Assert.Equal(MigrationErrorId.GuestNotFound, Assert.Throws<MigrationException>(() => guest.Resume()).Id);
        Assert.Equal(MigrationErrorId.GuestNotFound, Assert.Throws<MigrationException>(guest.Suspend).Id);
    }

    [Theory]
    [InlineData(1, 256)]
    [InlineData(3, 256)]
    [InlineData(7, 7)]
    [InlineData(64, 65)]
    public void Each_page_of_the_working_set_belongs_to_one_vCPU(int processors, int pages)
    {
        var programs = (Good with { ProcessorCount = processors, WorkingSet = pages * 4096L }).Programs().ToList();
        Assert.Equal(processors, programs.Count);
        var owned = programs.SelectMany(program => Enumerable.Range((int)program.FirstPage, (int)program.PageCount)).ToList();
        Assert.Equal(Enumerable.Range(0, pages), owned);
    }

    [Theory]
    [InlineData(GuestWorkload.Sequential)]
    [InlineData(GuestWorkload.Random)]
    [InlineData(GuestWorkload.HotSpot)]
    [InlineData(GuestWorkload.WalkingIncrement)]
    public void A_workload_writes_its_working_set_and_nothing_else(GuestWorkload workload)
    {
        foreach (var pages in new[] { 1, 3, 37, 128 })
        {
            var guest = MemoryGuest.Create(TestGuests.Options(workload, TestGuests.MiB, processors: 1, rate: 0) with
            { Content = GuestContent.Zero, WorkingSet = pages * 4096 });
            guest.StopAtTick(pages * 200);
            guest.Resume();
            TestGuests.WaitForTick(guest, pages * 200);
            guest.Suspend();
            for (long page = 0; page < guest.Memory.Ram.Pages; page++)
                Assert.Equal(page < pages, guest.Memory.Ram.Page(page).ContainsAnyExcept((byte)0));
            guest.Remove();
        }
    }
}
