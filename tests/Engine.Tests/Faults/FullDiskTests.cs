using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>The disk of a <c>file:</c> destination is full from some moment on: the guest goes on here, and no half file stays.</summary>
public sealed class FullDiskTests : IDisposable
{
    const int Page = 4096;
    readonly Folder _folder = new();

    string Disk => _folder["disk"];

    MigrationUri Target => MigrationUri.Parse($"file:{Disk}/guest");

    [RootTheory]
    [InlineData(MigrationPhase.Setup, GuestFileFormat.PsMigrate)]
    [InlineData(MigrationPhase.Iterate, GuestFileFormat.PsMigrate)]
    [InlineData(MigrationPhase.StopGuest, GuestFileFormat.PsMigrate)]
    [InlineData(MigrationPhase.CompleteRam, GuestFileFormat.PsMigrate)]
    [InlineData(MigrationPhase.SaveDevices, GuestFileFormat.PsMigrate)]
    [InlineData(MigrationPhase.Setup, GuestFileFormat.Qemu)]
    [InlineData(MigrationPhase.Iterate, GuestFileFormat.Qemu)]
    [InlineData(MigrationPhase.SaveDevices, GuestFileFormat.Qemu)]
    public void From_a_phase_on(MigrationPhase phase, GuestFileFormat format)
    {
        using var disk = new SmallDisk(Disk, "24m");
        // Enough vCPUs that their states do not fit into what is left of a page.
        var options = TestGuests.Options(processors: phase == MigrationPhase.SaveDevices ? 60 : 2, rate: 100 * TestGuests.MiB);
        var guest = TestGuests.Create(options);
        var hasFilled = false;
        var migration = Migration.Start(guest, Target, new MigrationParameters { Format = format }, entered =>
        {
            if (entered != phase || hasFilled) return;
            Fill();
            hasFilled = true;
        });
        AssertStayed(migration, guest);
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
        Reference.AssertIntact(options, guest);
        TestGuests.RemoveAll(options.Host);
    }

    /// <summary>Room for all but the last page, and in that lies nothing but what follows the point from which nothing is taken back.</summary>
    [RootFact]
    public void At_the_last_bytes()
    {
        for (var processors = 1; processors < 30; processors++)
        {
            var options = TestGuests.Options(size: 256 << 10, processors: processors, rate: 0) with { StartSuspended = true };
            var whole = Length(options);
            var room = whole / Page * Page;
            if (room <= EndOfState(whole)) continue;
            using var disk = new SmallDisk(Disk, $"{room}");
            var guest = TestGuests.Create(options);
            var digest = guest.Digest();
            AssertStayed(Migration.Start(guest, Target, new MigrationParameters()), guest, GuestState.Suspended);
            Assert.Equal(digest, guest.Digest());
            TestGuests.RemoveAll(options.Host);
            return;
        }
        Assert.Fail("No guest has a stream that ends just behind a page.");
    }

    /// <summary>Of its stream.</summary>
    long Length(GuestOptions options)
    {
        var guest = TestGuests.Create(options);
        var migration = Migration.Start(guest, MigrationUri.Parse($"file:{_folder["whole"]}"), new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(MigrationStatus.Completed, migration.Status);
        TestGuests.RemoveAll(options.Host);
        return new FileInfo(_folder["whole"]).Length;
    }

    /// <summary>Where the record that ends the stream begins: only it and the description come behind the last section.</summary>
    long EndOfState(long whole)
    {
        var boundaries = RecordBoundaries.Forward(File.ReadAllBytes(_folder["whole"]));
        Assert.Equal(whole, boundaries[^1]);
        return boundaries[^3];
    }

    void AssertStayed(Migration migration, MemoryGuest guest, GuestState state = GuestState.Running)
    {
        Assert.True(migration.Wait(Patience.Limit));
        var result = migration.Result!;
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.FileFailed, GuestLocation.Source), (result.Error!.Id, result.Error.Location!.Value));
        Assert.Contains("space", result.Error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(state, guest.State);
        Assert.False(guest.IsBusy);
        Assert.DoesNotContain(Directory.GetFiles(Disk), file => !file.EndsWith("filler", StringComparison.Ordinal));
    }

    void Fill()
    {
        using var filler = new FileStream($"{Disk}/filler", FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            for (var page = new byte[Page]; ;) filler.Write(page);
        }
        catch (IOException)
        {
            // That is what was wanted.
        }
    }

    public void Dispose() => _folder.Dispose();
}
