using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>A downtime that is forecast, by part. Pure.</summary>
static class PromisedDowntime
{
    /// <summary>The state by the link; of what is left, the last pages and all else in the measure in which the simulation has them.</summary>
    public static DowntimeParts Parts(SimulatedPrecopy run, PrecopyScenario asked, TimeSpan downtime)
    {
        var state = Least(TimeSpan.FromSeconds(asked.Sender.DeviceState / asked.Bandwidth), downtime);
        var rest = downtime - state;
        var overhead = TimeSpan.FromSeconds(asked.Sender.Overhead);
        var pages = run.Downtime - overhead - TimeSpan.FromSeconds(asked.Sender.DeviceState / asked.Bandwidth);
        var ram = pages > TimeSpan.Zero ? rest * (pages / (pages + overhead)) : TimeSpan.Zero;
        return DowntimeParts.Zero with { FinalRam = ram, State = state, Handover = rest - ram };
    }

    static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
