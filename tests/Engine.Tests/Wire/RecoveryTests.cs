using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>A postcopy whose link breaks, to the byte: what the receiver says it has, and what it makes of the rest.</summary>
public sealed class RecoveryTests
{
    static readonly TimeSpan Wait = Patience.Limit;

    [Fact]
    public void It_answers_with_what_it_has_and_goes_on_twice()
    {
        // Pages 2, 3 and 4 were discarded; 2 comes whole and half of 3.
        var (migration, thread, policy) = Paused();
        var half = new ForeignStream().Command(CommandType.ReceiveBitmap, [6, .. "pc.ram"u8]).Command(CommandType.ReceiveBitmap, [7, .. "pc.bios"u8])
            .Command(CommandType.PostcopyResume).Ram(RecordType.SectionPart, () => { });
        var first = new MemoryConnection(half.Bytes);
        Assert.True(Patience.Within(() => migration.TryRecover(first, Wait), "the first recovery"));
        var expected = new BytesWriter();
        var back = new WireWriter(expected);
        ReturnPathMessage.SendBitmap(back, "pc.ram", [0xFFE7]);
        ReturnPathMessage.SendBitmap(back, "pc.bios", [3]);
        ReturnPathMessage.ResumeAck.Send(back);
        Assert.Equal(expected.Written, first.Written);
        // Of each word the lowest byte comes first.
        Assert.Equal([0xE7, 0xFF, 0, 0, 0, 0, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF], first.Written[19..35]);

        var rest = new ForeignStream().Command(CommandType.PostcopyResume);
        rest.Ram(RecordType.SectionPart, () =>
        {
            rest.Page("pc.ram", 4, ForeignStream.Content("pc.ram", 4));
            rest.Page("pc.ram", 3, ForeignStream.Content("pc.ram", 3));
            // One that it has.
            rest.Page("pc.ram", 2, new byte[GuestMemory.PageSize]);
        }).End().Eof();
        var second = new MemoryConnection(rest.Bytes);
        Assert.True(Patience.Within(() => migration.TryRecover(second, Wait), "the second recovery"));
        Assert.True(thread.Join(Patience.Limit));
        Assert.True(migration.Error is null, $"{migration.Error}");
        Assert.Equal([ReturnPathType.ResumeAck, ReturnPathType.Shut], second.Answers().Select(answer => answer.Type));
        for (var page = 0; page < 16; page++) Assert.Equal(ForeignStream.Content("pc.ram", page), migration.Guest!.Memory.Ram.Page(page));
        TestGuests.RemoveAll(policy.HostName);
    }

    [Fact]
    public void The_preempt_channel_brings_what_is_missing()
    {
        var (migration, thread, policy) = Paused();
        var urgent = new ForeignStream();
        urgent.Page("pc.ram", 3, ForeignStream.Content("pc.ram", 3));
        urgent.Page("pc.ram", 4, ForeignStream.Content("pc.ram", 4));
        urgent.Wire.UInt64(RamFlags.Eos);
        urgent.Wire.Flush();
        Assert.True(migration.TryServePreempt(new MemoryConnection(urgent.Bytes)));
        Assert.True(migration.TryRecover(new MemoryConnection(new ForeignStream().Command(CommandType.PostcopyResume).End().Eof().Bytes), Wait));
        Assert.True(thread.Join(Patience.Limit));
        Assert.True(migration.Error is null, $"{migration.Error}");
        Assert.Equal(ForeignStream.Content("pc.ram", 3), migration.Guest!.Memory.Ram.Page(3));
        TestGuests.RemoveAll(policy.HostName);
    }

    [Theory]
    [InlineData(0x10000UL | 0x008, MigrationErrorId.OffsetOutOfRange)]
    [InlineData(0x3000UL | 0x004, MigrationErrorId.InvalidValue)]
    [InlineData(0x3000UL | 0x040, MigrationErrorId.OutOfOrder)]
    public void What_is_wrong_in_the_preempt_channel_ends_the_migration(ulong word, MigrationErrorId expected)
    {
        var (migration, thread, policy) = Paused();
        var urgent = new ForeignStream();
        urgent.Wire.UInt64(word);
        urgent.Wire.Name("pc.ram");
        urgent.Wire.Bytes(new byte[GuestMemory.PageSize]);
        urgent.Wire.Flush();
        Assert.True(migration.TryServePreempt(new MemoryConnection(urgent.Bytes)));
        Assert.True(thread.Join(Patience.Limit));
        Assert.Equal(expected, migration.Error!.Id);
        Assert.Empty(TestGuests.On(policy.HostName));
    }

    [Fact]
    public void A_recovery_that_begins_with_pages_brings_none_and_another_may_follow()
    {
        var (migration, thread, policy) = Paused();
        var missing = migration.MissingPages;
        Assert.True(migration.TryRecover(new MemoryConnection(new ForeignStream().Pages().Bytes), Wait));
        Assert.Equal((MigrationStatus.PostcopyPaused, missing), (migration.Status, migration.MissingPages));
        var rest = new ForeignStream().Command(CommandType.PostcopyResume);
        rest.Ram(RecordType.SectionPart, () =>
        {
            rest.Page("pc.ram", 4, ForeignStream.Content("pc.ram", 4));
            rest.Page("pc.ram", 3, ForeignStream.Content("pc.ram", 3));
        });
        Assert.True(migration.TryRecover(new MemoryConnection(rest.End().Eof().Bytes), Wait));
        Assert.True(thread.Join(Patience.Limit));
        Assert.True(migration.Error is null, $"{migration.Error}");
        TestGuests.RemoveAll(policy.HostName);
    }

    [Fact]
    public void Nobody_comes_back()
    {
        var (migration, thread, policy) = Paused(TimeSpan.FromMilliseconds(50));
        Assert.True(thread.Join(Patience.Limit));
        Assert.Equal(MigrationErrorId.ConnectionLost, migration.Error!.Id);
        Assert.Equal(GuestLocation.InDoubt, migration.Error.Location);
        Assert.Empty(TestGuests.On(policy.HostName));
        Assert.False(migration.TryRecover(new MemoryConnection(default), Wait));
    }

    [Fact]
    public void A_link_that_breaks_before_the_package_is_loaded_ends_it()
    {
        var policy = Incoming.Policy() with { RecoverTimeout = Wait };
        var (migration, _) = Incoming.Run(new ForeignStream().Header().ReturnPath().Advise().Start().Pages().Bytes, policy);
        Assert.Equal(MigrationErrorId.UnexpectedEnd, migration.Error!.Id);
        Assert.False(migration.TryRecover(new MemoryConnection(default), Wait));
    }

    /// <summary>A postcopy that has come to its package and a page and a half.</summary>
    static (IncomingMigration Migration, Thread Thread, IncomingPolicy Policy) Paused(TimeSpan? recover = null)
    {
        var stream = new ForeignStream().Header().ReturnPath().Advise().Start().Pages()
            .Command(CommandType.PostcopyRamDiscard, [0, 6, .. "pc.ram"u8, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x30, 0])
            .Package(package => package.Command(CommandType.PostcopyListen).Device("cpu", 0, 1, 2, 3).Command(CommandType.PostcopyRun));
        stream.Ram(RecordType.SectionPart, () =>
        {
            stream.Page("pc.ram", 2, ForeignStream.Content("pc.ram", 2));
            stream.Page("pc.ram", 3, ForeignStream.Content("pc.ram", 3));
        });
        var policy = Incoming.Policy() with { RecoverTimeout = recover ?? Wait };
        // EOS, footer, half a page.
        var migration = new IncomingMigration(new MemoryConnection(stream.Bytes.AsMemory(0, stream.Bytes.Length - 13 - 2000)), policy);
        var thread = new Thread(migration.Run) { IsBackground = true };
        thread.Start();
        Patience.Until(() => migration.IsPaused || migration.IsEnded, "the pause");
        return (migration, thread, policy);
    }
}
