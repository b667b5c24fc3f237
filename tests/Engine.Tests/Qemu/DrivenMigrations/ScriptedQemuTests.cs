using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Driven;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>QEMUs that do as the test says: states of other versions, silence, and a refusal at each command.</summary>
public sealed class ScriptedQemuTests
{
    [Fact]
    public void The_states_of_a_newer_QEMU_are_shown_as_they_are_reported()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start();
        foreach (var (text, status) in new[]
        {
            ("active", MigrationStatus.Active), ("a-new-state", MigrationStatus.Active), ("device", MigrationStatus.Device),
            ("postcopy-device", MigrationStatus.PostcopyDevice), ("postcopy-active", MigrationStatus.PostcopyActive),
            ("postcopy-paused", MigrationStatus.PostcopyPaused), ("postcopy-recover-setup", MigrationStatus.PostcopyRecoverSetup),
            ("postcopy-recover", MigrationStatus.PostcopyRecover), ("postcopy-active", MigrationStatus.PostcopyActive),
        })
        {
            qemu.Report(text);
            Patience.Until(() => migration.GetState() is var state && state.QemuStatus == text && state.State == status, text);
        }
        Assert.False(migration.IsEnded);
        qemu.RunState = "postmigrate";
        qemu.Report("completed");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (DrivenPair.End(migration).State, migration.Result!.Location));
        Assert.Equal(
            ["setup", "active", "a-new-state", "device", "postcopy-device", "postcopy-active", "postcopy-paused", "postcopy-recover-setup",
                "postcopy-recover", "postcopy-active", "completed"],
            migration.GetState().QemuStates);
    }

    [Fact]
    public void A_failure_of_11_1_is_failing_until_it_has_failed()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start();
        qemu.Report("failing");
        Patience.Until(() => migration.Status == MigrationStatus.Failing, "failing");
        Assert.False(migration.IsEnded);
        qemu.Error = "Something of QEMU's own";
        qemu.Report("failed");
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.QemuMigrationFailed, GuestLocation.Source), (result.Error!.Id, result.Location));
        Assert.Contains("Something of QEMU's own", result.Error.Message, StringComparison.Ordinal);
        Assert.False(qemu.Guest.IsBusy);
    }

    [Fact]
    public void Each_pass_is_a_record_with_its_figures()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start();
        qemu.Pass(1, transferred: 1000, normal: 10);
        Patience.Until(() => migration.GetState().Current.TransferredBytes == 1000, "the first figures");
        qemu.Pass(2, transferred: 3000, normal: 25);
        Assert.True(migration.TryTakeIteration(out var first, Patience.Limit));
        Assert.Equal((1, 3000, 25, 3000), (first.Iteration, first.Bytes, first.Pages, first.TransferredBytes));
        qemu.Pass(5, transferred: 7000, normal: 30);
        Assert.True(migration.TryTakeIteration(out var next, Patience.Limit));
        Assert.Equal((4, 4000, 5, 7000), (next.Iteration, next.Bytes, next.Pages, next.TransferredBytes));
        Assert.Equal(5 * 4096, next.DirtyRate);
        Assert.Equal(1e6, next.Bandwidth);
        migration.Cancel();
    }

    [Fact]
    public void A_QEMU_that_hangs_leaves_it_open_where_the_guest_is()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(new MigrationParameters { AnswerTimeout = TimeSpan.FromSeconds(3) });
        qemu.Fake.Hang("query-migrate");
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.QmpTimeout, GuestLocation.InDoubt), (result.Error!.Id, result.Location));
        Assert.False(qemu.Guest.IsBusy);
    }

    [Theory]
    [InlineData("migrate-set-capabilities")]
    [InlineData("migrate-set-parameters")]
    [InlineData("migrate")]
    public void A_command_that_is_refused_leaves_the_guest_here(string command)
    {
        using var qemu = new ScriptedSource();
        qemu.Fake.Answer(command, () => throw new QmpRefusal("No, because."));
        var result = DrivenPair.End(qemu.Start());
        Assert.Equal((MigrationErrorId.QemuRefused, GuestLocation.Source), (result.Error!.Id, result.Location));
        Assert.Contains("No, because.", result.Error.Message, StringComparison.Ordinal);
        Assert.Equal(GuestState.Running, qemu.Guest.State);
    }

    [Fact]
    public void A_refused_cancel_is_too_late_and_the_migration_goes_on()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start();
        qemu.Fake.Answer("migrate_cancel", () => throw new QmpRefusal("Postcopy migration in progress, cannot cancel."));
        var answer = migration.Cancel();
        Assert.Equal(CancelOutcome.TooLate, answer.Outcome);
        Assert.Contains("cannot cancel", answer.Reason, StringComparison.Ordinal);
        qemu.RunState = "postmigrate";
        qemu.Report("completed");
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
    }

    [Fact]
    public void What_was_on_before_is_switched_off_and_told()
    {
        using var qemu = new ScriptedSource { On = ["xbzrle", "events"] };
        var migration = qemu.Start();
        var sent = qemu.Sent["migrate-set-capabilities"]["capabilities"]!.AsArray().Select(one => $"{one!["capability"]}={one["state"]}");
        Assert.Equal(["xbzrle=false", "return-path=true"], sent);
        Assert.Contains(migration.GetState().Decisions, one => one is { What: "xbzrle at the source", From: "on", To: "off" });
        migration.Cancel();
    }
}
