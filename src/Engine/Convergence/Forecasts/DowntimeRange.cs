using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How long a guest may stand at the end of a simulated precopy, at best and at worst: by how much what it dirtied in its last pass differs from one
/// interval of that length to the next, by how fast the last pages go, and by what a switch-over takes beside them. Pure.
/// </summary>
sealed class DowntimeRange(PrecopyScenario asked, KnownBandwidth link)
{
    // Of what the destination has still to load it may not have begun anything.
    const double MostOfBacklog = 2;

    readonly CurveShape _mean = new(asked.Curve);
    readonly CurveShape _least = new(asked.Curve, CurveBound.Least);
    readonly CurveShape _most = new(asked.Curve, CurveBound.Most);

    /// <summary>The range of them all, of which the first has the value; those after it were gone through with another curve already where their mark says so.</summary>
    public ForecastTime Of(SimulatedPrecopy plain, IEnumerable<(SimulatedPrecopy Run, bool IsBound)> others)
    {
        var all = others.Where(other => other.Run.Converged).Prepend((Run: plain, IsBound: false)).ToArray();
        // A policy that holds the switch-over back may do so by other figures than these, and finds next to nothing left.
        var least = PrecopySimulation.Time(asked.ShortensStop ? asked.Sender.LeastOverhead : all.Min(one => Least(one.Run, one.IsBound ? 1 : Ratio(_least, one.Run))));
        // Nobody is stopped for what would take longer than is allowed, as far as the link is known.
        var allowed = Math.Max(asked.MaxDowntime.TotalSeconds, plain.Downtime.TotalSeconds + asked.Sender.MostOverhead);
        var most = PrecopySimulation.Time(Math.Min(allowed, all.Max(one => Most(one.Run, one.IsBound ? 1 : Ratio(_most, one.Run)))));
        var value = plain.Downtime > most ? most : plain.Downtime;
        return new ForecastTime(value, least < value ? least : value, most);
    }

    /// <summary>What is dirty in an interval as long as the last pass, by the mean.</summary>
    double Ratio(CurveShape bound, SimulatedPrecopy run)
    {
        var seconds = run.Passes is [.., var last] ? last.Duration.TotalSeconds : 0;
        var mean = _mean.Bytes(seconds);
        return mean > 0 ? bound.Bytes(seconds) / mean : 1;
    }

    double Least(SimulatedPrecopy run, double ratio)
    {
        var sender = asked.Sender;
        var speed = sender.Again(asked.Walks);
        var again = (run.FinalPages - run.NewPages) * ratio;
        var wire = Scaled(run.FinalLink, run, again) * (asked.Bandwidth / link.Most) * sender.LeastOfLink;
        return Math.Max(wire, (again / speed.Most) + (run.NewPages / asked.New.Most)) + sender.LeastOverhead;
    }

    double Most(SimulatedPrecopy run, double ratio)
    {
        var sender = asked.Sender;
        var again = (run.FinalPages - run.NewPages) * ratio;
        var wire = Scaled(run.FinalRam, run, again) * (asked.Bandwidth / link.Least);
        var burst = Math.Max(wire, (again / sender.Again(asked.Walks).Least) + (run.NewPages / asked.New.Least));
        return burst + (run.Backlog.TotalSeconds * MostOfBacklog) + sender.MostOverhead + (sender.DeviceState / asked.Bandwidth);
    }

    /// <summary>Seconds, with so many bytes of pages that went before.</summary>
    static double Scaled(TimeSpan time, SimulatedPrecopy run, double again) =>
        run.FinalPages > 0 ? time.TotalSeconds * (again + run.NewPages) / run.FinalPages : 0;
}
