using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Postcopy of a guest of ours, with something wrong in it: before RUN nothing stays, after RUN the guest is whole or lost.</summary>
public sealed class HostilePostcopyTests
{
    [Fact]
    public void What_is_right_arrives()
    {
        var (stream, _) = RecordedStream.OursInPostcopy();
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(stream.Bytes, policy, chunk: 77);
        Assert.True(migration.Error is null, $"{migration.Error}");
        Assert.Equal(stream.Digest, migration.Guest!.Digest());
        Assert.Equal(stream.Ticks, migration.Guest.Ticks);
        Assert.Equal([ReturnPathType.Pong, ReturnPathType.Pong, ReturnPathType.Accepted, ReturnPathType.Pong, ReturnPathType.Ready, ReturnPathType.Running,
            ReturnPathType.PostcopyFigures, ReturnPathType.Shut], link.Answers().Select(answer => answer.Type));
        TestGuests.RemoveAll(policy.HostName);
    }

    [Fact]
    public void Advice_at_a_wrong_place()
    {
        Refused(MigrationErrorId.OutOfOrder, stream => stream.UpTo(StreamStep.RamStart).Advise());
        Refused(MigrationErrorId.OutOfOrder, stream => stream.UpTo(StreamStep.Announcement).Advise().Advise());
        Refused(MigrationErrorId.OutOfOrder, stream => stream.UpTo(StreamStep.Announcement).Advise(), Handshake.ExtensionPing - Handshake.ExtensionVersion + Handshake.PostcopyVersion - 1);
        Refused(MigrationErrorId.InvalidValue, stream =>
        {
            stream.UpTo(StreamStep.Announcement);
            CommandRecord.Write(stream.Wire, CommandType.PostcopyAdvise, [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0]);
        });
    }

    [Fact]
    public void Advice_may_come_before_the_announcement()
    {
        using var source = new PostcopySource(GuestWorkload.Idle);
        source.Stream.UpTo(StreamStep.ExtensionPing).Advise().UpTo(StreamStep.RamStart);
        source.Package().Run();
        source.Break();
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    [Fact]
    public void A_package_at_a_wrong_place()
    {
        Refused(MigrationErrorId.OutOfOrder, stream => stream.UpTo(StreamStep.RamStart).Package());
        Refused(MigrationErrorId.OutOfOrder, stream => stream.UpTo(StreamStep.Announcement).Advise().Package());
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).UpTo(StreamStep.RamEnd).Package());
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Package()));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package().Package());
    }

    [Fact]
    public void A_package_with_something_else_in_it()
    {
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Listen());
        Refused(MigrationErrorId.UnknownRecord, stream => Advised(stream).Package(inner => inner.Write(StreamStep.Cpus, StreamStep.Devices)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => CommandRecord.WritePing(inner.Wire, 3)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Listen()));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Write(StreamStep.Run)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => CommandRecord.Write(inner.Listen().Wire, CommandType.PostcopyRun)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => CommandRecord.Write(inner.Listen().Wire, CommandType.PostcopyResume)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => CommandRecord.Write(inner.Listen().Wire, CommandType.Join, new byte[17])));
        Refused(MigrationErrorId.UnknownRecord, stream => Advised(stream).Package(inner => inner.Listen().Ram(RecordType.SectionPart, () => inner.Zero(0))));
        Refused(MigrationErrorId.UnknownRecord, stream => Advised(stream).Package(inner => inner.Listen().Write(StreamStep.Eof)));
        Refused(MigrationErrorId.UnknownSection, stream => Advised(stream).Package(inner => new SectionHeader(9, "timer", 0, 2).WriteNamed(inner.Listen().Wire, RecordType.SectionFull)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Write(StreamStep.Devices, StreamStep.Devices)));
    }

    [Fact]
    public void A_package_without_all_of_the_state()
    {
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen()));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Write(StreamStep.Cpus, StreamStep.GlobalState)));
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package(inner => inner.Listen().Write(StreamStep.Devices, StreamStep.GlobalState)));
        // It ends inside a section: that is no link that broke.
        Refused(MigrationErrorId.InvalidLength, stream => Advised(stream).Package(inner => inner.Listen().Wire.Bytes([4, 0, 0, 0])));
    }

    [Fact]
    public void Another_word_than_RUN()
    {
        Refused(MigrationErrorId.OutOfOrder, stream => Advised(stream).Package().Ram(RecordType.SectionPart, () => { }));
        Refused(MigrationErrorId.OutOfOrder, stream => CommandRecord.WritePing(Advised(stream).Package().Wire, 1));
        Refused(MigrationErrorId.OutOfOrder, stream => CommandRecord.Write(Advised(stream).Package().Wire, CommandType.PostcopyRun));
    }

    [Theory]
    [InlineData(CommandType.Run)]
    [InlineData(CommandType.PostcopyListen)]
    [InlineData(CommandType.PostcopyRun)]
    [InlineData(CommandType.PostcopyResume)]
    [InlineData(CommandType.PostcopyAdvise)]
    [InlineData(CommandType.PostcopyRamDiscard)]
    [InlineData(CommandType.ReceiveBitmap)]
    [InlineData(CommandType.Join)]
    [InlineData(CommandType.QueryOutcome)]
    public void Commands_that_have_no_place_after_RUN(object command)
    {
        var policy = Incoming.Policy();
        var (migration, _) = Incoming.Run(Written(stream =>
        {
            Advised(stream).Package().Write(StreamStep.Run);
            if ((CommandType)command == CommandType.PostcopyRamDiscard) stream.Discard(0, 1);
            else CommandRecord.Write(stream.Wire, (CommandType)command, Payload((CommandType)command));
        }), policy);
        AssertLost(MigrationErrorId.OutOfOrder, migration, policy);
    }

    [Fact]
    public void Cut_anywhere_it_leaves_nothing_before_RUN_and_a_lost_guest_behind_it()
    {
        var random = new Random(3);
        var count = RecordedStream.OursInPostcopy(128 << 10).Stream.Boundaries.Count;
        for (var index = 0; index < count - 1; index++)
        {
            AssertCut(boundaries => boundaries[index]);
            AssertCut(boundaries => random.NextInt64(boundaries[index], boundaries[index + 1]));
        }
    }

    static void AssertCut(Func<IReadOnlyList<long>, long> place)
    {
        // Each of its own: a migration that was given up once does not come back.
        var (stream, run) = RecordedStream.OursInPostcopy(128 << 10);
        var end = place(stream.Boundaries);
        var policy = Incoming.Policy();
        var (migration, _) = Incoming.Run(stream.Bytes.AsMemory(0, (int)end), policy);
        var outcome = HandoverLedger.Ask(stream.Migration);
        if (end < run)
        {
            Assert.Empty(TestGuests.On(policy.HostName));
            Assert.Contains(outcome, new[] { HandoverOutcome.Unknown, HandoverOutcome.Discarded });
            return;
        }
        Assert.Equal(HandoverOutcome.Running, outcome);
        if (migration.Error is not null) AssertLost(null, migration, policy);
        else Assert.Equal(stream.Digest, migration.Guest!.Digest());
        TestGuests.RemoveAll(policy.HostName);
    }

    [Theory]
    [InlineData(0, 1500)]
    [InlineData(1500, 3000)]
    public void Mutated_streams_crash_nothing_and_leave_nothing_but_what_is_lost(int first, int last)
    {
        var outcomes = new Dictionary<string, int>();
        for (var seed = first; seed < last; seed++)
        {
            var (stream, _) = RecordedStream.OursInPostcopy(64 << 10);
            var policy = Incoming.Policy($"postcopy-fuzz-{seed}");
            var bytes = new Mutator(seed).Mutate(stream);
            var (migration, link) = Patience.Within(() => Incoming.Run(bytes, policy, seed % 5 == 0 ? 1 + (seed % 300) : int.MaxValue), $"the end of stream {seed}");
            Assert.True(link.IsDisposed, $"Seed {seed} left its connection open.");
            var outcome = migration.Error?.Id.ToString() ?? "Completed";
            Assert.True(migration.Error?.Id != MigrationErrorId.InternalError, $"Seed {seed}: {migration.Error}");
            Assert.Equal(migration.Error is null ? MigrationStatus.Completed : MigrationStatus.Failed, migration.Status);
            var here = TestGuests.On(policy.HostName);
            if (migration.Error is { Id: not MigrationErrorId.GuestLost }) Assert.True(here.Count == 0, $"Seed {seed} failed and left a guest.");
            if (migration.Error is { Id: MigrationErrorId.GuestLost }) Assert.True(here is [{ State: GuestState.Lost }], $"Seed {seed} lost a guest that is not lost.");
            TestGuests.RemoveAll(policy.HostName);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }
        Assert.True(outcomes.Count >= 10, $"Only these outcomes: {string.Join(", ", outcomes)}");
        Assert.True(outcomes.GetValueOrDefault("Completed") > 0 && outcomes.GetValueOrDefault("GuestLost") > 0, $"{string.Join(", ", outcomes)}");
    }

    [Fact]
    public void Silence_is_a_link_that_broke_and_signs_of_life_are_none()
    {
        var quiet = Incoming.Policy() with { IdleTimeout = TimeSpan.FromSeconds(1), RecoverTimeout = Patience.Limit };
        using var source = new PostcopySource(policy: quiet);
        source.GoOver();
        // For longer than the silence that is allowed.
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (clock.Elapsed < 3 * quiet.IdleTimeout)
        {
            source.Main.Ping();
            Thread.Sleep(quiet.IdleTimeout / 10);
            Assert.False(source.Main.IsEnded, "It was cut.");
        }
        Patience.Until(() => source.Arrival.IsPaused, "the pause");
        Assert.Equal(MigrationStatus.PostcopyPaused, source.Arrival.Status);
        Assert.Equal(GuestState.Running, source.Arrived.State);
        source.SendMissing(source.Recover()).End().AssertArrived();
    }

    static byte[] Payload(CommandType command) => command switch
    {
        CommandType.PostcopyAdvise => [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0],
        CommandType.ReceiveBitmap => [3, .. "ram"u8],
        CommandType.Join => new byte[17],
        CommandType.QueryOutcome => new byte[16],
        _ => [],
    };

    static StreamBuilder Advised(StreamBuilder stream) => stream.UpTo(StreamStep.Announcement).Advise().UpTo(StreamStep.RamStart);

    static byte[] Written(Action<StreamBuilder> write, uint ping = Handshake.ExtensionPing)
    {
        var guest = RecordedStream.SmallGuest(64 << 10);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.NewGuid()) { ExtensionPing = ping };
        write(stream);
        stream.Wire.Flush();
        guest.Remove();
        return bytes.Written;
    }

    static void Refused(MigrationErrorId expected, Action<StreamBuilder> write, uint ping = Handshake.ExtensionPing)
    {
        var policy = Incoming.Policy();
        var (migration, _) = Incoming.Run(Written(write, ping), policy);
        Assert.True(migration.Error?.Id == expected, $"{migration.Error}");
        Assert.Null(migration.Error!.Location);
        Assert.Empty(TestGuests.On(policy.HostName));
    }

    static void AssertLost(MigrationErrorId? why, IncomingMigration migration, IncomingPolicy policy)
    {
        Assert.Equal(MigrationErrorId.GuestLost, migration.Error!.Id);
        if (why is not null) Assert.Equal(why, Assert.IsType<MigrationException>(migration.Error.InnerException).Id);
        Assert.Equal(GuestState.Lost, Assert.Single(TestGuests.On(policy.HostName)).State);
        TestGuests.RemoveAll(policy.HostName);
    }
}
