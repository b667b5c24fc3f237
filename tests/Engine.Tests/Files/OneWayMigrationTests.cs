using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Files;

/// <summary>A running guest is migrated live into a file or a command.</summary>
public sealed class OneWayMigrationTests : IDisposable
{
    readonly Folder _folder = new();
    readonly GuestOptions _options = TestGuests.Options();
    readonly MemoryGuest _guest;

    public OneWayMigrationTests() => _guest = TestGuests.Create(_options);

    [Theory]
    [InlineData("file:{0}")]
    [InlineData("exec:cat > {0}")]
    public void The_state_is_there_and_the_guest_stays_as_a_copy(string destination)
    {
        TestGuests.WaitForTick(_guest, 50);
        var state = Run(destination);
        Assert.Null(state.Error);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.File, PeerKind.Unknown), (state.State, state.Location, state.Peer));
        Assert.Contains(state.Decisions, decision => decision is { What: "Return path", To: "none" });
        Assert.True(state.Downtime > TimeSpan.Zero);
        Assert.Equal(GuestState.PostMigrate, _guest.State);
        Assert.Equal(["guest"], _folder.Names);

        var refused = Assert.Throws<MigrationException>(() => _guest.Resume());
        Assert.Equal((MigrationErrorId.GuestRunsElsewhere, GuestLocation.File), (refused.Id, refused.Location));
        var restored = _folder.Restore("guest");
        Assert.Equal(GuestState.Running, restored.State);
        TestGuests.WaitForTick(restored, restored.Ticks.Max() + 10);
        Reference.AssertIntact(_options, restored);
        _guest.Resume(force: true);
        Reference.AssertIntact(_options, _guest);
    }

    [Fact]
    public void What_a_file_has_before_the_offset_is_kept()
    {
        _folder.Write("guest", [.. Enumerable.Repeat((byte)0x5A, 10_000)]);
        _guest.Suspend();
        Assert.Null(Run("file:{0},offset=0x1000").Error);
        Assert.Equal(Enumerable.Repeat((byte)0x5A, 4096), File.ReadAllBytes(_folder["guest"]).Take(4096));
        Assert.Equal(_guest.Digest(), _folder.Restore(MigrationUri.Parse($"file:{_folder["guest"]},offset=4096")).Digest());
        TestGuests.RemoveAll(_folder.Host);
        Assert.Equal(MigrationErrorId.BadMagic, _folder.RestoreFails(MigrationUri.ForFile(_folder["guest"])).Id);
    }

    [Fact]
    public void For_a_QEMU_it_is_RAM_only()
    {
        var state = Run("file:{0}", new MigrationParameters { Format = GuestFileFormat.Qemu });
        Assert.Contains("psmigrate/guest", state.Result!.LeftOut);
        Assert.Equal(_guest.Digest(), _folder.Restore("guest").Digest());
    }

    [Theory]
    [InlineData("exec:exit 3", "exit code 3")]
    [InlineData("exec:cat > /dev/null; echo no room >&2; exit 1", "no room")]
    [InlineData("exec:/no/such/command", "/no/such/command")]
    [InlineData("exec:head -c 100000 > /dev/null", "took no more")]
    public void A_command_that_fails_gives_the_guest_back(string destination, string reason)
    {
        var state = Run(destination);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (state.State, state.Location));
        Assert.Equal(MigrationErrorId.CommandFailed, state.Error!.Id);
        Assert.Contains(reason, state.Error.Message, StringComparison.Ordinal);
        AssertRunsOn();
    }

    [Fact]
    public void What_a_command_says_is_bounded()
    {
        var error = Run("exec:yes nonsense | head -c 1000000 >&2; exit 9").Error!;
        Assert.InRange(error.Message.Length, 100, 3000);
        AssertRunsOn();
    }

    [Fact]
    public void A_command_that_hangs_can_be_cancelled()
    {
        var migration = Migration.Start(_guest, MigrationUri.Parse("exec:sleep 1000"), new MigrationParameters());
        Patience.Until(() => migration.GetState().Current.TransferredBytes > 0, "the first bytes");
        Assert.Equal(CancelOutcome.Cancelled, Patience.Within(() => migration.Cancel(), "the cancel").Outcome);
        AssertRunsOn();
    }

    [Fact]
    public void A_command_that_does_not_end_leaves_the_guest_in_doubt()
    {
        var state = Run("exec:cat > /dev/null; sleep 1000", new MigrationParameters { AnswerTimeout = TimeSpan.FromSeconds(2) });
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (state.State, state.Location));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, state.Error!.Id);
        Assert.Equal(GuestState.InDoubt, _guest.State);
    }

    [Theory]
    [InlineData("sleep 1000")]
    [InlineData("yes")]
    public void A_command_that_goes_on_behind_the_stream_does_not_wait_for_ever(string more)
    {
        _folder.Save(_guest, "guest");
        using var command = CommandConnection.ReadFrom(MigrationUri.Parse($"exec:cat {_folder["guest"]}; {more}"));
        var error = Failing.With(MigrationErrorId.PeerSilent, () => Patience.Within(() =>
        {
            command.Complete(TimeSpan.FromSeconds(1));
            return true;
        }, "the end"));
        Assert.Contains("has not ended 1 s after", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_command_leaves_behind_does_not_hold_up_its_end()
    {
        if (!OperatingSystem.IsLinux()) return;
        var left = _folder["left"];
        using var command = CommandConnection.ReadFrom(MigrationUri.Parse($"exec:setsid sh -c 'echo $$ > {left}.new; mv {left}.new {left}; exec sleep 1000' & while ! test -e {left}; do sleep 0.1; done"));
        try
        {
            Failing.With(MigrationErrorId.PeerSilent, () => Patience.Within(() =>
            {
                command.Complete(TimeSpan.FromSeconds(1));
                return true;
            }, "the end"));
        }
        finally
        {
            Patience.Until(() => File.Exists(left), "what it leaves behind");
            using var kill = System.Diagnostics.Process.Start("kill", [File.ReadAllText(left).Trim()]);
            kill.WaitForExit();
        }
    }

    [Fact]
    public void A_folder_that_is_not_there_stops_nothing()
    {
        var state = Run("file:/no/such/folder/guest");
        Assert.Equal((MigrationErrorId.FileFailed, MigrationPhase.Connect), (state.Error!.Id, state.Error.Phase));
        AssertRunsOn();
    }

    MigrationState Run(string destination, MigrationParameters? parameters = null)
    {
        var uri = MigrationUri.Parse(string.Format(System.Globalization.CultureInfo.InvariantCulture, destination, _folder["guest"]));
        var migration = Migration.Start(_guest, uri, parameters ?? new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.GetState();
    }

    void AssertRunsOn()
    {
        Assert.Equal(GuestState.Running, _guest.State);
        Assert.False(_guest.IsBusy);
        TestGuests.WaitForTick(_guest, _guest.Ticks.Max() + 10);
        Assert.Empty(_folder.Names);
    }

    public void Dispose()
    {
        TestGuests.RemoveAll(_options.Host);
        _folder.Dispose();
    }
}
