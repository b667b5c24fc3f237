using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>A destination that says rubbish: the source ends typed, in bounded time, and knows where its guest is.</summary>
public sealed class HostileReturnPathTests
{
    /// <summary>The right answers, bent at random; the source sends into a link that takes everything.</summary>
    [Fact]
    public void Bent_answers_end_each_migration_and_the_guest_is_never_lost()
    {
        var options = TestGuests.Options(size: 256 << 10);
        var guest = TestGuests.Create(options);
        var ends = new HashSet<(MigrationStatus, MigrationErrorId?)>();
        for (var seed = 0; seed < 1000; seed++)
        {
            var answers = Bend(new Random(seed));
            var parameters = new MigrationParameters { AnswerTimeout = TimeSpan.FromSeconds(20), SettleTimeout = TimeSpan.Zero };
            var connections = 0;
            var outgoing = new OutgoingMigration(seed, guest, "memory", parameters, _ => ++connections == 1
                ? new MemoryConnection(answers)
                : throw new MigrationException(MigrationErrorId.ConnectionRefused, MigrationSide.Link, "Nobody listens there."));
            outgoing.Start();
            Assert.True(outgoing.Wait(Patience.Limit), $"Seed {seed} hangs.");
            guest = AssertWhereItIs(seed, options, guest, outgoing.Result!);
            ends.Add((outgoing.Result!.State, outgoing.Result.Error?.Id));
        }
        Reference.AssertIntact(options, guest);
        GuestRegistry.Remove(guest);
        Assert.True(ends.Count >= 7, string.Join(", ", ends));
    }

    static MemoryGuest AssertWhereItIs(int seed, GuestOptions options, MemoryGuest guest, MigrationResult result)
    {
        Assert.False(guest.IsBusy);
        Assert.True(result.Error?.Id != MigrationErrorId.InternalError, $"Seed {seed}: {result.Error}");
        var expected = result.Location switch
        {
            GuestLocation.Source => GuestState.Running,
            GuestLocation.InDoubt => GuestState.InDoubt,
            GuestLocation.RamOnly => GuestState.PostMigrate,
            _ => GuestState.Removed,
        };
        Assert.True(guest.State == expected, $"Seed {seed}: {result} and the guest is {guest.State}.");
        if (guest.State != GuestState.Removed)
        {
            guest.Resume(force: true);
            return guest;
        }
        return TestGuests.Create(options);
    }

    static byte[] Bend(Random random)
    {
        var writer = new BytesWriter();
        var back = new WireWriter(writer);
        ReturnPathMessage[] all =
        [
            ReturnPathMessage.Pong(Handshake.FirstPing), ReturnPathMessage.Pong(Handshake.Answer(Handshake.ExtensionPing)), ReturnPathMessage.Accepted,
            // Before the guest stops.
            ReturnPathMessage.Pong(Handshake.FirstPing),
            ReturnPathMessage.Ready(Guid.NewGuid(), null), ReturnPathMessage.Running(TimeSpan.Zero), ReturnPathMessage.Shut(0),
            ReturnPathMessage.Failure(MigrationErrorId.DestinationRefused, "no"), new(ReturnPathType.RequestPages, new byte[12]),
        ];
        var messages = all[..7].ToList();
        if (random.Next(3) == 0) messages.Insert(random.Next(messages.Count), all[random.Next(all.Length)]);
        if (random.Next(3) == 0) messages.RemoveAt(random.Next(messages.Count));
        messages.ForEach(message => message.Send(back));
        var bytes = writer.Written;
        if (random.Next(2) == 0) bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        return random.Next(4) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }
}
