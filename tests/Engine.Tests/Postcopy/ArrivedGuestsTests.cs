using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>What is told of guests that arrived, and to whom.</summary>
public sealed class ArrivedGuestsTests
{
    [Fact]
    public void One_that_came_by_TLS_is_told_of_to_those_who_do()
    {
        var (options, migration) = (TestGuests.Options(), Guid.NewGuid());
        var guest = TestGuests.Create(options);
        try
        {
            ArrivedGuests.Add(migration, guest, byTls: true);
            Assert.False(ArrivedGuests.TryGetWriteRate(migration, byTls: false, out _));
            Patience.Until(() => ArrivedGuests.TryGetWriteRate(migration, byTls: true, out var rate) && rate > 0, "a rate");
            guest.Suspend();
            Assert.True(ArrivedGuests.TryGetWriteRate(migration, byTls: true, out var standing));
            Assert.Null(standing);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host);
        }
    }

    [Fact]
    public void Those_that_came_long_ago_are_known_no_more()
    {
        var options = TestGuests.Options(GuestWorkload.Idle);
        var guest = TestGuests.Create(options);
        try
        {
            Guid[] migrations = [.. Enumerable.Range(0, ArrivedGuests.Kept + 1).Select(_ => Guid.NewGuid())];
            foreach (var migration in migrations) ArrivedGuests.Add(migration, guest, byTls: false);
            Assert.False(ArrivedGuests.TryGetWriteRate(migrations[0], byTls: true, out _));
        }
        finally
        {
            TestGuests.RemoveAll(options.Host);
        }
    }
}
