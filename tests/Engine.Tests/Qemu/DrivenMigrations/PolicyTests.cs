using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>What policies and time limits are for guests of a QEMU.</summary>
public sealed class PolicyTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void When_the_time_is_over_it_switches_over_or_goes_over_as_was_asked(string binary)
    {
        foreach (var action in new[] { TimeoutAction.SwitchOver, TimeoutAction.Postcopy })
        {
            using var pair = new DrivenPair(binary);
            var migration = pair.Start(pair.Parameters with { Timeout = TimeSpan.FromSeconds(8), OnTimeout = action, Postcopy = action == TimeoutAction.Postcopy });
            var result = DrivenPair.End(migration);
            Assert.True(result.State == MigrationStatus.Completed, $"{action}: {result} {DrivenPair.Story(migration)}");
            Assert.Contains(migration.GetState().Decisions, one => one.Reason.StartsWith($"-OnTimeout {action}", StringComparison.Ordinal));
            DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_a_QEMU_does_not_decide_by_itself_is_refused_before_anything_is_changed(string binary)
    {
        using var pair = new DrivenPair(binary);
        foreach (var bad in new[]
        {
            pair.Parameters with { Policy = MigrationPolicy.Find("StallAware") }, pair.Parameters with { Policy = MigrationPolicy.Find("DowntimeRamp") },
            pair.Parameters with { AutoConverge = true, ObserveOnly = true },
        })
            Failing.With(MigrationErrorId.UnsupportedByGuest, () => pair.Start(bad));
        Assert.False(pair.Guest.IsBusy);
    }
}
