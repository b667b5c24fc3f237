using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>A save that does not come to its end leaves no file, and the guest as it was.</summary>
public sealed class SaveEarlyEndTests : IDisposable
{
    readonly Folder _folder = new();
    readonly GuestOptions _options = TestGuests.Options();
    readonly MemoryGuest _guest;

    public SaveEarlyEndTests() => _guest = TestGuests.Create(_options);

    [Fact]
    public void A_file_that_is_there_stays_unless_it_is_to_be_replaced()
    {
        _folder.Write("old", [1, 2, 3]);
        Assert.Equal(MigrationErrorId.FileFailed, Fails(_folder["old"]).Id);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_folder["old"]));
        AssertRunsOn();
        using var save = GuestSave.Start(_guest, new SaveOptions { Path = _folder["old"], Overwrite = true });
        Assert.True(save.Wait(Patience.Limit));
        Assert.Null(save.Error);
        Assert.Equal(["old"], _folder.Names);
        Assert.Equal(_guest.Name, _folder.Restore("old").Name);
    }

    [Theory]
    [InlineData("no/such/folder")]
    [InlineData(".")]
    public void A_place_where_no_file_can_be_is_refused(string name)
    {
        Assert.Equal(MigrationErrorId.FileFailed, Fails(_folder[name]).Id);
        AssertRunsOn();
        Assert.Empty(_folder.Names);
    }

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void A_device_that_takes_nothing_is_an_error(GuestFileLayout layout)
    {
        if (!File.Exists("/dev/full")) return;
        Assert.Equal(MigrationErrorId.FileFailed, Fails("/dev/full", layout).Id);
        AssertRunsOn();
    }

    [RootTheory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void A_full_disk_keeps_no_half_file(GuestFileLayout layout)
    {
        using var disk = new SmallDisk(_folder["disk"], "2m");
        var error = Fails(_folder["disk/guest"], layout);
        Assert.Equal(MigrationErrorId.FileFailed, error.Id);
        Assert.Contains("space", error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["disk"]));
        AssertRunsOn();
    }

    [RootTheory]
    [InlineData(0)]
    public void A_migration_to_a_full_disk_leaves_the_guest_running(int pass)
    {
        using var disk = new SmallDisk(_folder["disk"], "2m");
        var migration = Migration.Start(_guest, MigrationUri.Parse($"file:{_folder["disk"]}/guest-{pass}"), new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (migration.Status, migration.Result!.Location));
        Assert.Equal(MigrationErrorId.FileFailed, migration.Result.Error!.Id);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["disk"]));
        AssertRunsOn();
    }

    [Fact]
    public void Cancelled_it_is_there_whole_or_not_at_all()
    {
        var ended = 0;
        for (var round = 0; round < 20; round++)
        {
            var name = $"cancelled-{round}";
            using (var save = GuestSave.Start(_guest, new SaveOptions { Path = _folder[name] }))
            {
                // Some before the first byte, some in the middle, some behind the last.
                while (save.DoneBytes < round * TestGuests.MiB && !save.IsEnded) Thread.Yield();
                save.Cancel();
                Assert.True(save.Wait(Patience.Limit));
                Assert.Equal(save.Result is not null, File.Exists(_folder[name]));
                Assert.True(save.Error is null or { Id: MigrationErrorId.ConnectionLost }, $"{save.Error}");
                if (save.Result is null) ended++;
                else File.Delete(_folder[name]);
            }
        }
        Assert.True(ended > 0, "Every save was faster than its cancel.");
        Assert.Empty(_folder.Names);
        AssertRunsOn();
    }

    [Fact]
    public void Cancelled_before_its_thread_has_begun_it_lets_go_of_the_guest()
    {
        for (var round = 0; round < 200; round++)
        {
            var save = GuestSave.Start(_guest, new SaveOptions { Path = _folder["never"], Overwrite = true });
            save.Dispose();
            Assert.False(_guest.IsBusy, $"Round {round} left the guest claimed.");
        }
        AssertRunsOn();
    }

    [Fact]
    public void While_it_is_saved_no_migration_has_it()
    {
        using var save = GuestSave.Start(_guest, new SaveOptions { Path = _folder["busy"] });
        try
        {
            Migration.Start(_guest, MigrationUri.Parse("local:elsewhere"), new MigrationParameters()).Wait();
            Assert.True(save.IsEnded, "A guest was migrated while it was saved.");
        }
        catch (MigrationException e)
        {
            Assert.Equal(MigrationErrorId.GuestBusy, e.Id);
        }
        TestGuests.RemoveAll("elsewhere");
    }

    MigrationException Fails(string path, GuestFileLayout layout = GuestFileLayout.Stream)
    {
        using var save = GuestSave.Start(_guest, new SaveOptions { Path = path, Layout = layout });
        Assert.True(save.Wait(Patience.Limit), "The save hangs.");
        Assert.Null(save.Result);
        return save.Error!;
    }

    void AssertRunsOn()
    {
        Assert.Equal(GuestState.Running, _guest.State);
        Assert.False(_guest.IsBusy);
        Assert.Null(_guest.Memory.Ram.Log);
        TestGuests.WaitForTick(_guest, _guest.Ticks.Max() + 10);
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_options.Host);
        _folder.Dispose();
    }
}
