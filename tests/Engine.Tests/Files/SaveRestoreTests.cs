using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>A guest goes into a file and comes out of it as the same guest.</summary>
public sealed class SaveRestoreTests : IDisposable
{
    readonly Folder _folder = new();
    readonly GuestOptions _options = TestGuests.Options();
    readonly MemoryGuest _guest;

    public SaveRestoreTests() => _guest = TestGuests.Create(_options);

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void A_guest_that_stands_is_restored_and_saved_again_byte_for_byte(GuestFileLayout layout)
    {
        TestGuests.WaitForTick(_guest, 300);
        _guest.Suspend();
        var (digest, ticks, uptime) = (_guest.Digest(), _guest.Ticks, _guest.Uptime);

        var saved = _folder.Save(_guest, "one", layout);
        Assert.Equal(digest, saved.Digest);
        Assert.Equal(TimeSpan.Zero, saved.HeldTime);
        Assert.Equal(_guest.MemorySize / GuestMemory.PageSize, saved.NormalPages + saved.ZeroPages);
        Assert.True(saved.ZeroPages > 0 && saved.NormalPages > 0);
        Assert.Equal(new FileInfo(_folder["one"]).Length, saved.Length);
        Assert.Equal(GuestState.Suspended, _guest.State);
        Assert.False(_guest.IsBusy);

        var restored = _folder.Restore("one");
        Assert.Equal(GuestState.Suspended, restored.State);
        Assert.Equal((_guest.Name, _guest.Uuid, uptime, 0L), (restored.Name, restored.Uuid, restored.Uptime, restored.MigrationCount));
        Assert.Equal(ticks, restored.Ticks);
        Assert.Equal(digest, restored.Digest());

        _folder.Save(restored, "two", layout);
        Assert.Equal(File.ReadAllBytes(_folder["one"]), File.ReadAllBytes(_folder["two"]));
        Assert.Equal(["one", "two"], _folder.Names);
    }

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void A_guest_that_runs_is_held_and_runs_on_both_here_and_restored(GuestFileLayout layout)
    {
        TestGuests.WaitForTick(_guest, 100);
        var saved = _folder.Save(_guest, "running", layout);
        Assert.True(saved.HeldTime > TimeSpan.Zero);
        Assert.Equal(GuestState.Running, _guest.State);
        Assert.Null(_guest.Memory.Ram.Log);
        TestGuests.WaitForTick(_guest, _guest.Ticks.Max() + 10);

        var restored = _folder.Restore("running");
        Assert.Equal(GuestState.Running, restored.State);
        TestGuests.WaitForTick(restored, restored.Ticks.Max() + 10);
        Reference.AssertIntact(_options, restored);
        Reference.AssertIntact(_options, _guest);
    }

    [Fact]
    public void Restored_suspended_it_is_what_the_digest_says()
    {
        var saved = _folder.Save(_guest, "held");
        var restored = _folder.Restore("held", new RestoreOptions { Name = "another", StartSuspended = true });
        Assert.Equal("another", restored.Name);
        Assert.Equal(GuestState.Suspended, restored.State);
        Assert.Equal(saved.Digest, restored.Digest());
    }

    [Theory]
    [InlineData(GuestFileLayout.Stream)]
    [InlineData(GuestFileLayout.MappedRam)]
    public void For_a_QEMU_there_is_RAM_only_and_it_is_restored_without_vCPUs(GuestFileLayout layout)
    {
        var saved = _folder.Save(_guest, "ram", layout, GuestFileFormat.Qemu);
        Assert.Contains("psmigrate/cpu/1", saved.LeftOut);
        var restored = _folder.Restore("ram");
        Assert.Equal((GuestKind.Captured, "none", "ram", 0), (restored.Kind, restored.MachineType, restored.Name, restored.ProcessorCount));
        Assert.Equal(saved.Digest, restored.Digest());
        _folder.Save(restored, "again", layout);
        Assert.Equal(File.ReadAllBytes(_folder["ram"]), File.ReadAllBytes(_folder["again"]));
    }

    [Fact]
    public void A_mapped_file_has_no_room_for_zero_pages()
    {
        using var idle = new Rig(TestGuests.Options(GuestWorkload.Idle, size: 256 * TestGuests.MiB) with { ContentSize = TestGuests.MiB });
        var saved = _folder.Save(idle.Guest, "sparse", GuestFileLayout.MappedRam);
        Assert.True(saved.Length > 256 * TestGuests.MiB, $"{saved.Length} bytes are not the place of every page.");
        Assert.True(saved.WrittenBytes < 2 * TestGuests.MiB, $"{saved.WrittenBytes} bytes were written.");
        Assert.Equal(idle.Guest.Digest(), _folder.Restore("sparse").Digest());
    }

    [Fact]
    public void The_name_is_taken_or_another_is_given()
    {
        _guest.Suspend();
        _folder.Save(_guest, "web");
        _folder.Restore("web");
        using (var again = GuestRestore.Start(MigrationUri.ForFile(_folder["web"]), new RestoreOptions { HostName = _folder.Host }))
        {
            Assert.True(again.Wait(Patience.Limit));
            Assert.Equal(MigrationErrorId.DuplicateGuestName, again.Error!.Id);
        }
        Assert.Equal(MigrationErrorId.DuplicateGuestName, Assert.Throws<MigrationException>(() => GuestRestore.Start(
            MigrationUri.ForFile(_folder["web"]), new RestoreOptions { HostName = _folder.Host, Name = _guest.Name })).Id);
        Assert.Equal("second", _folder.Restore("web", new RestoreOptions { Name = "second" }).Name);
        Assert.Equal(2, TestGuests.On(_folder.Host).Count);
    }

    [Fact]
    public void A_restore_that_nobody_takes_leaves_no_guest()
    {
        _folder.Save(_guest, "unwanted");
        using (var restore = GuestRestore.Start(MigrationUri.ForFile(_folder["unwanted"]), new RestoreOptions { HostName = _folder.Host }))
            Assert.True(restore.Wait(Patience.Limit));
        Assert.Empty(TestGuests.On(_folder.Host));
    }

    [Fact]
    public void Through_commands_it_can_be_compressed()
    {
        _guest.Suspend();
        var migration = Migration.Start(_guest, MigrationUri.Parse($"exec:gzip -1 > '{_folder["small"]}'"), new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Null(migration.Result!.Error);
        Assert.Equal(_guest.Digest(), _folder.Restore(MigrationUri.Parse($"exec:gzip -d < '{_folder["small"]}'")).Digest());
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_options.Host);
        _folder.Dispose();
    }
}
