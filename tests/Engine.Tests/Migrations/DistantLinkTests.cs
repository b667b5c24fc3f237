using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>A link with a long way there and back: while an answer is waited for, the guest writes more than may be left.</summary>
public sealed class DistantLinkTests
{
    static readonly TimeSpan ThereAndBack = TimeSpan.FromMilliseconds(400);

    [Theory]
    [InlineData(GuestContent.Random, MigrationMeans.Qemu)]
    [InlineData(GuestContent.Random, MigrationMeans.Adaptive)]
    [InlineData(GuestContent.Zero, MigrationMeans.Adaptive)]
    public void A_guest_that_always_writes_is_stopped_all_the_same(GuestContent content, MigrationMeans means)
    {
        // Five times what may be left, for on a busy machine it writes less.
        var options = TestGuests.Options(GuestWorkload.WalkingIncrement, 32 * TestGuests.MiB, rate: 30 * TestGuests.MiB) with
        {
            Content = content, ContentSize = 32 * TestGuests.MiB,
        };
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        using var link = new FaultProxy(receiver.Uri, back: new LinkFault { Delay = ThereAndBack });
        try
        {
            var migration = Migration.Start(TestGuests.Create(options), link.Uri, new MigrationParameters
            {
                Means = means, MaxBandwidth = 60 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(40), Verify = true,
            });
            Assert.True(migration.Wait(Patience.Limit), $"It never ends: {string.Join("; ", migration.GetState().Decisions)}.");
            Assert.Equal((MigrationStatus.Completed, true), (migration.Status, migration.Result!.Verified));
            Assert.Contains(migration.GetState().Decisions, one => one.What is "Catch up" or "Wait for the destination");
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, receiver.HostName);
        }
    }
}
