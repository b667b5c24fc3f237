using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Who comes: what is announced is checked before a byte of memory is taken for it.</summary>
public sealed class HostileAnnouncementTests
{
    const long TiB = 1L << 40;

    [Theory]
    [InlineData(TiB, 16L << 20, MigrationErrorId.MemoryExceeded)]
    [InlineData((16L << 20) + 4096, 16L << 20, MigrationErrorId.MemoryExceeded)]
    [InlineData(long.MaxValue, long.MaxValue, MigrationErrorId.InvalidSize)]
    [InlineData(32 * TiB, long.MaxValue, MigrationErrorId.InvalidSize)]
    [InlineData(4097L, 16L << 20, MigrationErrorId.InvalidSize)]
    public void A_size_that_is_not_accepted(long size, long most, MigrationErrorId expected)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var (error, answers) = Announce(new GuestAnnouncement("guest", Guid.NewGuid(), Guid.NewGuid(), size, 1, false), Incoming.Policy(maxMemory: most));
        Assert.Equal(expected, error.Id);
        Assert.DoesNotContain(answers, answer => answer.Type == ReturnPathType.Accepted);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 2 << 20, "Memory was taken for a guest that is refused.");
    }

    [Fact]
    public void A_foreign_guest_that_is_too_large_is_refused_at_its_list_of_blocks()
    {
        var bytes = new BytesWriter();
        var guest = RecordedStream.SmallGuest(64 << 10);
        var wire = new StreamBuilder(guest, bytes, Guid.Empty).UpTo(StreamStep.FirstPing).Wire;
        guest.Remove();
        new SectionHeader(1, "ram", 0, 4).WriteNamed(wire, RecordType.SectionStart);
        wire.UInt64((ulong)TiB | RamFlags.MemSize);
        wire.Name("ram");
        wire.UInt64((ulong)TiB);
        var (migration, link) = Incoming.Run(bytes.Written);
        Assert.Equal(MigrationErrorId.MemoryExceeded, migration.Error!.Id);
        Assert.Equal(MigrationSide.Destination, migration.Error.Side);
        Assert.Equal([ReturnPathType.Pong, ReturnPathType.Shut], link.Answers().Select(answer => answer.Type));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("web*")]
    [InlineData("a[b]")]
    [InlineData("evil\u001b[2J")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public void A_name_that_can_not_be(string name) => Assert.Equal(MigrationErrorId.InvalidGuestName, Announce(name, Incoming.Policy()).Error.Id);

    [Fact]
    public void A_name_that_is_not_allowed_there()
    {
        var policy = Incoming.Policy() with { AllowedName = ["web*", "db?"] };
        Assert.Equal(MigrationErrorId.DestinationRefused, Announce("mail01", policy).Error.Id);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Announce("web01", policy).Error.Id);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, Announce("db1", policy).Error.Id);
    }

    [Fact]
    public void A_name_that_is_taken_there()
    {
        var present = TestGuests.Create(TestGuests.Options(GuestWorkload.Idle, 64 << 10));
        var (error, _) = Announce(present.Name.ToUpperInvariant(), Incoming.Policy(present.Host));
        Assert.Equal(MigrationErrorId.DuplicateGuestName, error.Id);
        Assert.Equal(MigrationSide.Destination, error.Side);
        Assert.Equal(GuestState.Running, present.State);
        GuestRegistry.Remove(present);
    }

    [Fact]
    public void A_stranger_does_not_take_the_place_of_a_guest_that_is_on_its_way()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, TestGuests.MiB));
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true };
        rig.Start();
        // Its name and its uuid are known to many; the id of its migration only to the two ends.
        var stranger = new GuestAnnouncement(rig.Guest.Name, rig.Guest.Uuid, Guid.NewGuid(), 64 << 10, 1, false);
        Assert.Equal(MigrationErrorId.DuplicateGuestName, Announce(stranger, Incoming.Policy(rig.Options.Host)).Error.Id);
        rig.Outgoing!.Complete();
        Assert.True(rig.Finish().Verified);
    }

    [Theory]
    [InlineData(0, 1UL, 65, MigrationErrorId.InvalidValue)]
    [InlineData(0, 0UL, 1, MigrationErrorId.InvalidValue)]
    [InlineData(0, 0x8000000000000000UL, 1, MigrationErrorId.InvalidValue)]
    [InlineData(0x80, 1UL, 1, MigrationErrorId.InvalidValue)]
    public void Fields_that_can_not_be(byte flags, ulong size, ushort processors, MigrationErrorId expected) =>
        Refused.After(StreamStep.ExtensionPing, expected, wire =>
        {
            new SectionHeader(2, GuestAnnouncement.Section, 0, 1).WriteNamed(wire, RecordType.SectionFull);
            wire.Byte(flags);
            wire.Name("guest");
            wire.Bytes(new byte[32]);
            wire.UInt64(size);
            wire.UInt16(processors);
        });

    [Fact]
    public void An_announcement_from_a_source_that_did_not_say_that_it_is_ours() =>
        Refused.After(StreamStep.FirstPing, MigrationErrorId.UnknownSection, wire => Write(wire, "guest"));

    [Fact]
    public void A_second_announcement() => Refused.After(StreamStep.Announcement, MigrationErrorId.OutOfOrder, wire => Write(wire, "other"));

    static void Write(WireWriter wire, string name)
    {
        var section = new SectionHeader(2, GuestAnnouncement.Section, 0, GuestAnnouncement.Version);
        section.WriteNamed(wire, RecordType.SectionFull);
        new GuestAnnouncement(name, Guid.NewGuid(), Guid.NewGuid(), 64 << 10, 1, false).Write(wire);
        section.WriteFooter(wire);
    }

    static (MigrationException Error, IReadOnlyList<ReturnPathMessage> Answers) Announce(string name, IncomingPolicy policy) =>
        Announce(new GuestAnnouncement(name, Guid.NewGuid(), Guid.NewGuid(), 64 << 10, 1, false), policy);

    static (MigrationException Error, IReadOnlyList<ReturnPathMessage> Answers) Announce(GuestAnnouncement announcement, IncomingPolicy policy)
    {
        var guest = RecordedStream.SmallGuest(64 << 10);
        var bytes = new BytesWriter();
        var wire = new StreamBuilder(guest, bytes, Guid.Empty).UpTo(StreamStep.ExtensionPing).Wire;
        guest.Remove();
        var section = new SectionHeader(2, GuestAnnouncement.Section, 0, GuestAnnouncement.Version);
        section.WriteNamed(wire, RecordType.SectionFull);
        announcement.Write(wire);
        section.WriteFooter(wire);
        var (migration, link) = Incoming.Run(bytes.Written, policy);
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.Null(migration.Guest);
        return (migration.Error!, link.Answers());
    }
}
