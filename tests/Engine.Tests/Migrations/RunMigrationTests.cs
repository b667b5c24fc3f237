using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Guests of every mixture of whole, zero and untouched pages, which write while runs of their pages leave.</summary>
public sealed class RunMigrationTests
{
    public static TheoryData<int, string> Mixtures
    {
        get
        {
            var mixtures = new TheoryData<int, string>();
            for (var seed = 0; seed < 8; seed++)
                foreach (var way in new[] { "local", "tcp", "unix" }) mixtures.Add(seed, way);
            return mixtures;
        }
    }

    [Theory]
    [MemberData(nameof(Mixtures))]
    public void A_guest_of_any_mixture_arrives_as_the_guest_that_stayed(int seed, string way)
    {
        var random = new Random(seed);
        var options = TestGuests.Options() with
        {
            // Not whole words of the bitmap, as often as not.
            MemorySize = (random.Next(200, 4000) * GuestMemory.PageSize) + ((seed % 2) * 64 * GuestMemory.PageSize),
            Workload = (GuestWorkload)random.Next(Enum.GetValues<GuestWorkload>().Length),
            Content = (GuestContent)random.Next(Enum.GetValues<GuestContent>().Length),
            DirtyRate = random.Next(2) == 0 ? 400 * TestGuests.MiB : 20 * TestGuests.MiB,
            WriteSize = random.Next(2) == 0 ? 8 : 4096,
            Seed = (ulong)seed,
        };
        options = options with { ContentSize = random.NextInt64(options.MemorySize / GuestMemory.PageSize) * GuestMemory.PageSize };
        var parameters = new MigrationParameters { Verify = true, MaxBandwidth = random.Next(2) == 0 ? 0 : 64 * TestGuests.MiB };
        var host = TestGuests.UniqueName("there");
        var guest = TestGuests.Create(options);
        try
        {
            var result = Migrate(guest, way, host, parameters);
            Assert.True(result.State == MigrationStatus.Completed, result.ToString());
            Assert.True(result.Verified);
            Reference.AssertIntact(options, Assert.Single(TestGuests.On(host)));
        }
        finally
        {
            TestGuests.RemoveAll(options.Host, host);
        }
    }

    [Fact]
    public void To_a_destination_of_version_1_there_are_none()
    {
        using var rig = new Rig();
        // Reads with the production loader, which refuses runs that were not agreed on.
        using var fake = new FakeDestination { ExtensionPong = 0x50534D81 };
        var outgoing = new Source.OutgoingMigration(0, rig.Guest, "fake", rig.Parameters, fake.Connect);
        outgoing.Start();
        Assert.True(outgoing.Wait(Patience.Limit));
        fake.Join();
        Assert.True(outgoing.Result!.State == MigrationStatus.Completed, outgoing.Result.ToString());
        Assert.True(outgoing.Result.Verified);
        Assert.False(fake.Ram!.AcceptsRuns);
        Assert.Contains("does not tell", outgoing.Result.Cost!.Unknown, StringComparison.Ordinal);
        var pages = rig.Options.MemorySize / GuestMemory.PageSize;
        Assert.InRange(outgoing.Result.TransferredBytes, fake.Ram.NormalPages * (8 + GuestMemory.PageSize) + fake.Ram.ZeroPages * 9, long.MaxValue);
        Assert.InRange(fake.Ram.NormalPages + fake.Ram.ZeroPages, pages, long.MaxValue);
    }

    [Fact]
    public void A_source_of_version_1_is_answered_and_its_pages_are_taken()
    {
        var guest = RecordedStream.SmallGuest();
        var bytes = new BytesWriter();
        new StreamBuilder(guest, bytes, Guid.NewGuid()) { ExtensionPing = 0x50534D01, HasRuns = false }.UpTo(StreamStep.Run);
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(bytes.Written, policy);
        Assert.Equal(MigrationStatus.Completed, migration.Status);
        Assert.Equal(0x50534D87u, link.Answers()[1].Value);
        TestGuests.RemoveAll(policy.HostName);
        guest.Remove();
    }

    [Fact]
    public void A_file_has_none()
    {
        var options = TestGuests.Options(GuestWorkload.Idle) with { StartSuspended = true };
        var path = Path.Combine(Path.GetTempPath(), $"psm-{Guid.NewGuid():N}.mig");
        var guest = TestGuests.Create(options);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"file:{path}"), new MigrationParameters());
            Assert.True(migration.Wait(Patience.Limit));
            Assert.True(migration.Result!.State == MigrationStatus.Completed, migration.Result.ToString());
            var last = migration.GetState().Current;
            var records = (last.NormalPages * (8 + GuestMemory.PageSize)) + (last.ZeroPages * 9);
            Assert.Equal(options.MemorySize / GuestMemory.PageSize, last.NormalPages + last.ZeroPages);
            Assert.InRange(new FileInfo(path).Length, records, records + 10_000);
        }
        finally
        {
            File.Delete(path);
            TestGuests.RemoveAll(options.Host);
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(100)]
    public void A_limit_of_the_bandwidth_holds_with_runs(long mebibytes)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle) with { Content = GuestContent.Random, ContentSize = 16 * TestGuests.MiB });
        rig.Parameters = rig.Parameters with { MaxBandwidth = mebibytes * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        var result = rig.Finish();
        Assert.True(result.Verified);
        // The last window may be unused, and the first begins full: of n windows at least n - 2 were waited for.
        var windows = result.TransferredBytes / (mebibytes * TestGuests.MiB / 10.0);
        Assert.True(result.TotalTime >= TimeSpan.FromMilliseconds(100 * (windows - 2)), $"{result.TransferredBytes} bytes in {result.TotalTime}.");
    }

    static MigrationResult Migrate(MemoryGuest guest, string way, string host, MigrationParameters parameters)
    {
        var path = Path.Combine(Path.GetTempPath(), $"psm-{Guid.NewGuid():N}.sock");
        using var receiver = way == "local" ? null : MigrationReceiver.Start(new ReceiverOptions
        {
            HostName = host, Uri = MigrationUri.Parse(way == "tcp" ? "tcp:127.0.0.1:0" : $"unix:{path}"),
        });
        var migration = Migration.Start(guest, receiver?.Uri ?? MigrationUri.Parse($"local:{host}"), parameters);
        if (!migration.Wait(TimeSpan.FromSeconds(1))) End(migration);
        Assert.True(migration.Wait(Patience.Limit), "The migration hangs.");
        return migration.Result!;
    }

    /// <summary>Some write more than goes through.</summary>
    static void End(Migration migration)
    {
        try
        {
            migration.Complete();
        }
        catch (MigrationException ended) when (ended.Id == MigrationErrorId.InvalidState)
        {
            // In this moment.
        }
    }
}
