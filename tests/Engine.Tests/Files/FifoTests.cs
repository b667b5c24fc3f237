using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Leaks;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>A FIFO waits for its other end; what waits for one that never comes can be broken off, and costs no guest.</summary>
public sealed class FifoTests : IDisposable
{
    readonly Folder _folder = new();
    readonly GuestOptions _options = TestGuests.Options();
    readonly MemoryGuest _guest;

    public FifoTests() => _guest = TestGuests.Create(_options);

    [LinuxFact]
    public void A_guest_goes_through_it()
    {
        var fifo = Make("fifo");
        _guest.Suspend();
        using var restore = GuestRestore.Start(fifo, new RestoreOptions { HostName = _folder.Host });
        using var save = GuestSave.Start(_guest, new SaveOptions { Path = fifo.Path });
        Assert.True(save.Wait(Patience.Limit) && restore.Wait(Patience.Limit), "It hangs.");
        Assert.Null(save.Error);
        Assert.Null(restore.Error);
        Assert.Equal(_guest.Digest(), restore.TakeGuest()!.Digest());
    }

    [LinuxFact]
    public void A_save_that_nobody_reads_can_be_cancelled()
    {
        using var save = GuestSave.Start(_guest, new SaveOptions { Path = Make("fifo").Path });
        save.Cancel();
        Assert.True(save.Wait(Patience.Limit), "The save hangs.");
        Assert.Null(save.Result);
        AssertRunsOn();
    }

    [LinuxFact]
    public void A_migration_that_nobody_reads_any_more_can_be_cancelled()
    {
        var fifo = Make("fifo");
        using var reader = Process.Start("/bin/sh", ["-c", $"exec 3< {fifo.Path}; head -c 100000 <&3 > /dev/null; touch {_folder["read"]}; exec sleep 1000"]);
        try
        {
            var migration = Migration.Start(_guest, fifo, new MigrationParameters());
            Patience.Until(() => File.Exists(_folder["read"]), "the first bytes");
            Assert.Equal(CancelOutcome.Cancelled, Patience.Within(() => migration.Cancel(), "the cancel").Outcome);
            AssertRunsOn();
        }
        finally
        {
            reader.Kill();
        }
    }

    [LinuxFact]
    public void A_migration_that_nobody_reads_ends_when_an_answer_would_be_due()
    {
        var migration = Migration.Start(_guest, Make("fifo"), new MigrationParameters { AnswerTimeout = TimeSpan.FromSeconds(1) });
        Assert.True(migration.Wait(Patience.Limit), "The migration hangs.");
        Assert.Equal((MigrationErrorId.PeerSilent, GuestLocation.Source), (migration.Result!.Error!.Id, migration.Result.Location));
        AssertRunsOn();
    }

    [LinuxFact]
    public void A_restore_that_nobody_feeds_can_be_cancelled()
    {
        using var restore = GuestRestore.Start(Make("fifo"), new RestoreOptions { HostName = _folder.Host });
        restore.Cancel();
        Assert.True(restore.Wait(Patience.Limit), "The restore hangs.");
        Assert.Empty(TestGuests.On(_folder.Host));
    }

    [LinuxFact]
    public void It_has_no_places()
    {
        var uri = MigrationUri.Parse($"{Make("fifo")},offset=4096");
        Assert.Equal(MigrationErrorId.FileFailed, _folder.RestoreFails(uri).Id);
        Failing.With(MigrationErrorId.FileFailed, () => FileTarget.Create(uri, overwrite: true));
        Failing.With(MigrationErrorId.FileFailed, () => StreamInspector.Read(uri.Path));
    }

    MigrationUri Make(string name)
    {
        using var process = Process.Start("mkfifo", [_folder[name]]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return MigrationUri.ForFile(_folder[name]);
    }

    void AssertRunsOn()
    {
        Assert.Equal(GuestState.Running, _guest.State);
        Assert.False(_guest.IsBusy);
        TestGuests.WaitForTick(_guest, _guest.Ticks.Max() + 10);
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_options.Host);
        _folder.Dispose();
    }
}
