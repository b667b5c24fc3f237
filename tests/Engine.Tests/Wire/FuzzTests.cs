using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>
/// 10,000 mutated streams. Each is made from its own seed, which the failure names, so that one can be run again alone.
/// </summary>
public sealed class FuzzTests
{
    [Theory]
    [InlineData(0, 2500)]
    [InlineData(2500, 5000)]
    [InlineData(5000, 7500)]
    [InlineData(7500, 10000)]
    public void Mutated_streams_crash_nothing_hang_nothing_and_leave_nothing(int first, int last)
    {
        var ours = RecordedStream.Ours(size: 128 << 10);
        var foreign = RecordedStream.Foreign(size: 128 << 10);
        var outcomes = new Dictionary<string, int>();
        for (var seed = first; seed < last; seed++)
        {
            var outcome = Feed(seed, seed % 4 == 3 ? foreign : ours);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }
        // Mutations that all died of the same cause, or never got anywhere, would test little.
        Assert.True(outcomes.Count >= 12, $"Only these outcomes: {string.Join(", ", outcomes)}");
        Assert.True(outcomes.GetValueOrDefault("Completed") > 0, "No mutation was harmless.");
    }

    static string Feed(int seed, RecordedStream stream)
    {
        var bytes = new Mutator(seed).Mutate(stream);
        var policy = Incoming.Policy($"fuzz-{seed}");
        // Every fifth comes in small reads, so that records straddle them.
        var chunk = seed % 5 == 0 ? 1 + (seed % 300) : int.MaxValue;
        var (migration, link) = Patience.Within(() => Incoming.Run(bytes, policy, chunk), $"the end of stream {seed}");
        try
        {
            Assert.True(link.IsDisposed, $"Seed {seed} left its connection open.");
            return migration.Status == MigrationStatus.Completed ? CheckArrival(seed, migration, policy) : CheckFailure(seed, migration, policy);
        }
        finally
        {
            TestGuests.RemoveAll(policy.HostName);
        }
    }

    static string CheckFailure(int seed, IncomingMigration migration, IncomingPolicy policy)
    {
        Assert.True(migration.Status == MigrationStatus.Failed, $"Seed {seed} ended {migration.Status}.");
        Assert.True(migration.Error!.Id != MigrationErrorId.InternalError, $"Seed {seed}: {migration.Error}");
        Assert.True(TestGuests.On(policy.HostName).Count == 0, $"Seed {seed} failed and left a guest.");
        return migration.Error.Id.ToString();
    }

    /// <summary>What got through must be a guest that can run: it does, with whatever the mutation made of its state.</summary>
    static string CheckArrival(int seed, IncomingMigration migration, IncomingPolicy policy)
    {
        if (migration.IsQuestion) return "Question";
        var guest = TestGuests.On(policy.HostName).SingleOrDefault();
        Assert.True(guest is not null && ReferenceEquals(guest, migration.Guest), $"Seed {seed} completed without its guest.");
        Assert.True(guest.MemorySize <= 16 * TestGuests.MiB, $"Seed {seed}: {guest.MemorySize} bytes were more than allowed.");
        if (guest.ProcessorCount > 0) guest.Resume();
        guest.Suspend();
        Assert.Equal(32, guest.Digest().Length);
        return "Completed";
    }
}
