using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// The guest of a trace in a replay: what it writes where and when, as it did, but by its own time, which a throttle makes slower. Each
/// region follows the clock of the vCPU that writes to it. Seconds of the replay and pages. One thread.
/// </summary>
sealed class ReplayGuest
{
    const int Rounds = 4;

    readonly MigrationTrace _trace;
    readonly GuestClock[] _clocks;
    readonly RegionHistory[] _regions;
    readonly int[] _clockOf;
    readonly double[][] _written;

    /// <param name="trace">With one pass that ended at least.</param>
    /// <param name="now">When the first pass of the replay begins.</param>
    public ReplayGuest(MigrationTrace trace, double now)
    {
        _trace = trace;
        // One for each vCPU, and one for what nobody has alone.
        var processors = Processors(trace);
        _clocks = [.. Enumerable.Range(0, processors + 1).Select(clock => new GuestClock([.. trace.Passes.Select((_, pass) => OwnTime(trace, pass, clock, processors))], now))];
        _clockOf = [.. trace.UsedPages.Select((_, region) => region < trace.Owners.Length && trace.Owners[region] is >= 0 and var owner && owner < processors ? owner : processors)];
        _written = [.. Enumerable.Range(0, Math.Max(1, processors)).Select(cpu => Sums(trace, cpu, processors))];
        _regions = Histories();
    }

    /// <summary>How many regions there are.</summary>
    public int Regions => _regions.Length;

    /// <summary>
    /// The regions in the order in which the sender came to them in the first pass: it may have gone on elsewhere on its way, where the guest was met later.
    /// What it did not come to follows by address.
    /// </summary>
    public int[] FirstRound
    {
        get
        {
            var regions = Enumerable.Range(0, Regions);
            var pass = _trace.Passes[0];
            return [.. pass.HasRegions ? regions.OrderBy(region => pass.WasLookedAt(region) ? pass.LookedAt[region] : double.PositiveInfinity) : regions];
        }
    }

    /// <summary>How long was recorded.</summary>
    public double Recorded => _trace.Passes.Sum(pass => pass.Duration.TotalSeconds);

    /// <summary>How many pages a region has.</summary>
    public double PagesOf(int region) => _trace.PagesOf(region);

    /// <summary>How many of them might hold something at the start.</summary>
    public double UsedOf(int region) => _trace.UsedPages[region];

    /// <summary>The time of those who write to a region.</summary>
    public double TimeOf(int region, double now) => _clocks[_clockOf[region]].At(now);

    /// <summary>Distinct pages of a region written between two of these times.</summary>
    public double Written(int region, double from, double to) => _regions[region].Written(from, to);

    /// <summary>From here on the vCPUs are held back so much, percent each.</summary>
    public void SetThrottles(double now, IReadOnlyList<int> percents)
    {
        for (var cpu = 0; cpu < _clocks.Length - 1; cpu++) _clocks[cpu].SetSpeed(now, 1 - (percents.ElementAtOrDefault(cpu) / 100.0));
        _clocks[^1].SetSpeed(now, 1 - (percents.Count == 0 ? 0 : percents.Average() / 100));
    }

    /// <summary>How long each vCPU was held back; of a guest whose vCPUs are not known, one for all.</summary>
    public TimeSpan[] HeldAt(double now) => [.. Cpus.Select(clock => PrecopySimulation.Time(clock.HeldAt(now)))];

    /// <summary>Bytes that each vCPU has written.</summary>
    public long[] WrittenAt(double now) => [.. Cpus.Select((clock, cpu) => (long)WrittenBy(clock, cpu, clock.At(now)))];

    IEnumerable<GuestClock> Cpus => _clocks.Length == 1 ? _clocks : _clocks[..^1];

    double WrittenBy(GuestClock clock, int cpu, double time)
    {
        var sums = _written[cpu];
        var rounds = Math.Floor(time / clock.Recorded);
        var rest = time - (rounds * clock.Recorded);
        var pass = clock.PassAt(rest);
        var inPass = (sums[pass + 1] - sums[pass]) * Math.Clamp((rest - clock.PassStart(pass)) / clock.PassLength(pass), 0, 1);
        return Math.Min((rounds * sums[^1]) + sums[pass] + inPass, TraceFields.Most);
    }

    /// <summary>What a vCPU had written at the begin of each pass, and at the end of the last.</summary>
    static double[] Sums(MigrationTrace trace, int cpu, int processors)
    {
        var sums = new double[trace.Passes.Length + 1];
        for (var pass = 0; pass < trace.Passes.Length; pass++)
        {
            var one = trace.Passes[pass];
            // Where nobody counts writes, it is at least what was dirtied.
            sums[pass + 1] = sums[pass] + (one.Written.Length > cpu ? one.Written[cpu] : (double)one.DirtyPages * MigrationTrace.PageSize / Math.Max(1, processors));
        }
        return sums;
    }

    RegionHistory[] Histories()
    {
        var found = Enumerable.Range(0, _trace.UsedPages.Length).Select(Found).ToArray();
        double[] weights = [.. found.Select(one => one.Sum(interval => interval.Pages))];
        var shape = Shape(found, weights);
        // How much goes to a region is judged by its intervals, and those were of different lengths: what they would have had at the usual
        // pace needs the shape, and the shape needs the weights. Each makes the other better.
        for (var round = 0; round < Rounds; round++)
        {
            weights = [.. found.Select(one => one.Sum(interval => interval.Pages) / Math.Max(one.Sum(interval => shape.Pages(interval.Seconds)), 1e-9))];
            shape = Shape(found, weights);
        }
        // What was found somewhere can be written there, wherever the curve is taken to end.
        return [.. found.Select((one, region) => new RegionHistory(
            shape, Math.Max(weights[region], one.Max(interval => interval.Pages) / Math.Max(shape.Most, 1)), PagesOf(region), one))];
    }

    /// <summary>The guest's curve, with weights that are made to come to 1.</summary>
    WrittenShape Shape(List<(double Seconds, double Pages)>[] found, double[] weights)
    {
        var all = weights.Sum();
        for (var region = 0; region < weights.Length; region++) weights[region] = all <= 0 ? 0 : weights[region] / all;
        return new WrittenShape(found.SelectMany((one, region) => one.Select(interval => (interval.Seconds, interval.Pages, weights[region]))), _trace);
    }

    /// <summary>What was found in a region, interval by interval.</summary>
    List<(double Seconds, double Pages)> Found(int region)
    {
        var clock = _clocks[_clockOf[region]];
        var found = new List<(double, double)>();
        for (var at = 0; at < _trace.Passes.Length; at++)
        {
            var (pass, length) = (_trace.Passes[at], clock.PassLength(at));
            if (!pass.HasRegions)
            {
                found.Add((length, Math.Min((double)pass.DirtyPages / _trace.UsedPages.Length, PagesOf(region))));
                continue;
            }
            var before = pass.WasLookedAt(region) ? length * Math.Clamp(pass.LookedAt[region] / Math.Max(1e-6, pass.Duration.TotalSeconds), 0, 1) : 0;
            if (before > 0) found.Add((before, Math.Min(pass.Looked[region], PagesOf(region))));
            found.Add((length - before, Math.Min(pass.Found[region], PagesOf(region))));
        }
        return found;
    }

    static int Processors(MigrationTrace trace) => trace.Source == TraceSource.Qemu ? 0 : trace.Processors;

    /// <summary>Of a pass, what a vCPU had for itself; the last one is all of them together.</summary>
    static double OwnTime(MigrationTrace trace, int pass, int clock, int processors)
    {
        var (one, before) = (trace.Passes[pass], pass == 0 ? 0 : trace.Passes[pass - 1].ThrottlePercent);
        var length = one.Duration.TotalSeconds;
        // A QEMU says how much, and not how long. What it says at the end of a pass may have begun there.
        if (one.Held.Length == 0) return length * (1 - (Math.Min(before, 99) / 100.0));
        return length - (clock < processors ? one.Held[clock].TotalSeconds : one.Held.Average(time => time.TotalSeconds));
    }
}
