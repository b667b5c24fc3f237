using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Traces of migrations that a QEMU does: one number a pass, and enough to replay.</summary>
public sealed class TraceTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_a_QEMU_tells_of_its_passes_can_be_replayed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(3, pair.Parameters with { RecordTrace = true });
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(30)));
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        var state = migration.GetState();
        var trace = MigrationTrace.FromJson(state.Trace!.ToJson());
        Assert.Equal((TraceSource.Qemu, 0, 1), (trace.Source, trace.Processors, trace.UsedPages.Length));
        Assert.Equal(state.Iterations.Where(one => !one.IsFinal).Select(one => (one.Iteration, one.Bytes)), trace.Passes.Select(one => (one.Number, one.Bytes)));
        Assert.True(trace.Passes.Sum(pass => pass.DirtyPages) > 0);
        var rows = MigrationReplays.Compare(trace, [MigrationPolicy.Find("Qemu"), MigrationPolicy.Find("AutoConverge")]).ToArray();
        Assert.Equal([ReplayEnd.SwitchedOver, ReplayEnd.SwitchedOver, ReplayEnd.SwitchedOver], rows.Select(row => row.End));
        // With the limit that it began with, which is too short for what is left after a pass.
        var over = MigrationReplays.Compare(trace, [], new ReplayOptions { Postcopy = true, MaxDowntime = TimeSpan.FromMilliseconds(1) }).Last();
        Assert.Equal(ReplayEnd.WentOver, over.End);
        Assert.Contains(rows[0].Assumptions, words => words.Contains("one number a pass", StringComparison.Ordinal));
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
