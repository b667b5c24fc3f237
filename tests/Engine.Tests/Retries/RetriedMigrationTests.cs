using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.DrivenMigrations;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Retries;

/// <summary>Real migrations that start over: the guest goes on meanwhile, and what arrives in the end is the guest.</summary>
public sealed class RetriedMigrationTests
{
    static readonly MigrationParameters Patient = new() { Verify = true, Retries = MigrationParameters.MostRetries, RetryDelay = TimeSpan.FromMilliseconds(50) };

    [Fact]
    public void A_receiver_that_is_started_late_gets_the_guest()
    {
        var options = TestGuests.Options();
        var there = TestGuests.UniqueName("there");
        var guest = TestGuests.Create(options);
        var address = MigrationUri.Parse($"tcp:127.0.0.1:{IntoQemuTests.FreePort()}");
        try
        {
            var migration = Migration.Start(guest, address, Patient);
            Patience.Until(() => migration.GetState().Attempts.Length > 2, "some attempts");
            Assert.Equal(GuestState.Running, guest.State);
            using var receiver = MigrationReceiver.Start(new ReceiverOptions { Uri = address, HostName = there });
            Assert.True(migration.Wait(Patience.Limit));
            var result = migration.Result!;
            Assert.True(result.Verified, result.ToString());
            Assert.All(result.Attempts[..^1], attempt => Assert.Equal(MigrationErrorId.ConnectionRefused, attempt.Error!.Id));
            Assert.Null(result.Attempts[^1].Error);
            AssertArrived(options, there);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, there);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_that_is_cut_the_first_time_is_made_anew(bool isReset)
    {
        var options = TestGuests.Options() with { Content = GuestContent.Random, ContentSize = 12 * TestGuests.MiB };
        var there = TestGuests.UniqueName("there");
        var guest = TestGuests.Create(options);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = there });
        using var first = new FaultProxy(receiver.Uri, new LinkFault(isReset ? LinkFaultKind.Reset : LinkFaultKind.Cut, (int)(4 * TestGuests.MiB)));
        var connections = 0;
        try
        {
            var run = new RetryingRun(0, guest, receiver.Uri.ToString(), Patient, (holder, limited) => new Source.OutgoingMigration(0, guest, "cut", limited,
                cancel => Connector.Connect(Interlocked.Increment(ref connections) == 1 ? first.Uri : receiver.Uri, limited.ConnectTimeout, cancel)) { Holder = holder });
            run.Start();
            Assert.True(run.Wait(Patience.Limit));
            var result = run.Result!;
            Assert.True(result.Verified, result.ToString());
            Assert.Equal(2, result.Attempts.Length);
            Assert.True(result.Attempts[0] is { Error.IsRetryable: true, Error.Location: GuestLocation.Source, TransferredBytes: > 0, Iterations: > 0 });
            Assert.Equal([1, 2], run.GetState().Iterations.Select(pass => pass.Attempt).Distinct());
            AssertArrived(options, there);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, there);
        }
    }

    [Fact]
    public void When_nobody_ever_comes_the_guest_runs_on_and_the_last_error_is_told()
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{IntoQemuTests.FreePort()}"), Patient with { Retries = 2 });
            Assert.True(migration.Wait(Patience.Limit));
            Assert.Equal((MigrationErrorId.ConnectionRefused, GuestLocation.Source, 3),
                (migration.Result!.Error!.Id, migration.Result.Location, migration.Result.Attempts.Length));
            Assert.Equal(GuestState.Running, guest.State);
            Assert.False(guest.IsBusy);
            TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
            Reference.AssertIntact(options, guest);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host);
        }
    }

    [Fact]
    public void The_time_allowed_ends_the_attempts()
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{IntoQemuTests.FreePort()}"),
                Patient);
            Patience.Until(() => migration.GetState().Attempts.Length > 1, "a second attempt");
            // It counts from the start.
            migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)));
            Assert.True(migration.Wait(Patience.Limit));
            var result = migration.Result!;
            Assert.True(result.Error!.Id is MigrationErrorId.ConnectionRefused or MigrationErrorId.Timeout, result.ToString());
            Assert.InRange(result.Attempts.Length, 2, MigrationParameters.MostRetries);
            Assert.Equal(GuestState.Running, guest.State);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host);
        }
    }

    [Fact]
    public void A_link_that_breaks_in_postcopy_is_made_anew_by_itself()
    {
        // What it touches comes as fast as it asks for it; the rest is missing until the limit is lifted.
        var options = TestGuests.Options(rate: 200 * TestGuests.MiB) with { Content = GuestContent.Random, WorkingSet = TestGuests.MiB };
        var there = TestGuests.UniqueName("there");
        var guest = TestGuests.Create(options);
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = there });
        using var link = new FaultProxy(receiver.Uri);
        try
        {
            var migration = Migration.Start(guest, link.Uri, Patient with
            {
                Verify = false, Mode = MigrationMode.Postcopy, Postcopy = true, MaxPostcopyBandwidth = 64 << 10,
            });
            for (var round = 1; round <= 2; round++)
            {
                Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "postcopy");
                var before = Recoveries(migration);
                link.Cut();
                Patience.Until(() => Recoveries(migration) > before, $"recovery {round}");
            }
            Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "postcopy");
            migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
            Assert.True(migration.Wait(Patience.Limit));
            Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (migration.Result!.State, migration.Result.Location));
            Assert.Single(migration.Result.Attempts);
            AssertArrived(options, there);
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, there);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_driven_QEMU_starts_over_too(string binary)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        var there = TestGuests.UniqueName("there");
        var address = MigrationUri.Parse($"tcp:127.0.0.1:{IntoQemuTests.FreePort()}");
        try
        {
            var migration = Migration.Start(pair.Guest, address, Patient with { Verify = false, MaxDowntime = TimeSpan.FromSeconds(2) });
            Patience.Until(() => migration.GetState().Attempts.Length > 1, "a second attempt");
            Assert.False(migration.IsEnded);
            using var receiver = MigrationReceiver.Start(new ReceiverOptions { Uri = address, HostName = there });
            var result = DrivenPair.End(migration);
            Assert.Equal((MigrationStatus.Completed, null), (result.State, result.Error));
            Assert.Equal(MigrationErrorId.ConnectionRefused, result.Attempts[0].Error!.Id);
            var captured = Assert.Single(TestGuests.On(there));
            Assert.Equal(GuestKind.Captured, captured.Kind);
        }
        finally
        {
            TestGuests.RemoveAll(there);
        }
    }

    static int Recoveries(Migration migration) => migration.GetState().Decisions.Count(one => one.Reason.Contains("by itself", StringComparison.Ordinal));

    static void AssertArrived(GuestOptions options, string there)
    {
        var arrived = Assert.Single(TestGuests.On(there));
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 10);
        Reference.AssertIntact(options, arrived);
    }
}
