using System.Diagnostics;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Soak;

/// <summary>
/// Guests that always write go to and fro between two processes, over links and with acts that fail them at random. After each journey
/// every guest must run at exactly one side, and hold what the same guest holds that never left.
/// </summary>
sealed class SoakRun(TimeSpan duration, int count, int seed)
{
    const int AtOnce = 4;
    const int JourneysPerDigest = 5;

    static readonly TimeSpan Report = TimeSpan.FromSeconds(15);

    readonly SoakTally _tally = new();
    readonly Lock _lock = new();
    readonly List<SoakGuest> _idle = [];
    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly List<Exception> _failures = [];

    /// <summary>0 when no guest was lost, none was at two places, and all digests agree.</summary>
    public int Run()
    {
        using var left = new SoakPeer("left");
        using var right = new SoakPeer("right");
        for (var number = 0; number < count; number++)
        {
            var guest = new SoakGuest(number, number % 2 == 0 ? left : right);
            guest.At.Ask(request => new(request, SoakVerb.Create) { Guest = number });
            _idle.Add(guest);
        }
        var workers = Enumerable.Range(0, AtOnce).Select(worker => new Thread(() => Work(new Random(seed + worker), left, right))).ToArray();
        foreach (var worker in workers) worker.Start();
        foreach (var worker in workers)
            while (!worker.Join(Report)) Console.WriteLine($"  {_clock.Elapsed.TotalSeconds:0} s: {_tally}");
        Parallel.ForEach(_idle, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, Compare);
        Console.WriteLine($"  {_tally}");
        if (duration >= TimeSpan.FromMinutes(5) && _failures.Count == 0 && Repository.Root is { } root)
            _tally.Save(Path.Combine(root, "bench", "results", "soak.json"), duration.TotalMinutes, count, seed);
        foreach (var failure in _failures) Console.Error.WriteLine($"soak: {failure.Message}");
        return _tally.IsClean && _failures.Count == 0 ? 0 : 1;
    }

    void Work(Random random, SoakPeer left, SoakPeer right)
    {
        try
        {
            while (_clock.Elapsed < duration)
            {
                var guest = Take(random);
                new SoakTrip(guest, guest.At == left ? right : left, random, _tally).Go();
                if (++guest.Journeys >= JourneysPerDigest) Compare(guest);
                lock (_lock) _idle.Add(guest);
            }
        }
        catch (Exception e) when (e is BenchException or AggregateException or IOException)
        {
            lock (_lock) _failures.Add(e);
        }
    }

    SoakGuest Take(Random random)
    {
        lock (_lock)
        {
            var at = random.Next(_idle.Count);
            var guest = _idle[at];
            _idle.RemoveAt(at);
            return guest;
        }
    }

    /// <summary>Has the guest stand at a tick that lies a little ahead, and compares it with the one that stayed.</summary>
    void Compare(SoakGuest guest)
    {
        guest.Journeys = 0;
        var (tick, there) = Stop(guest);
        var areEqual = there.Digest.Length > 0 && there.Digest == guest.DigestOfStayed(tick);
        _tally.Digests(areEqual);
        if (!areEqual) Console.WriteLine($"  {guest.Name} differs from the one that stayed at tick {tick}");
        guest.At.Ask(request => new(request, SoakVerb.StopAt) { Name = guest.Name });
    }

    /// <summary>One that had gone past the tick before it heard of it is given one that lies further ahead.</summary>
    static (long Tick, SoakAnswer There) Stop(SoakGuest guest)
    {
        for (var margin = 100; ; margin *= 2)
        {
            var tick = Look(guest).Ticks.Max() + margin;
            guest.At.Ask(request => new(request, SoakVerb.StopAt) { Name = guest.Name, Tick = tick });
            Waiting.Until(() => Look(guest).Ticks.All(one => one >= tick), $"{guest.Name} does not come to tick {tick}");
            var there = guest.At.Ask(request => new(request, SoakVerb.Digest) { Name = guest.Name });
            if (there.Ticks.All(one => one == tick)) return (tick, there);
        }
    }

    static SoakAnswer Look(SoakGuest guest) => guest.At.Ask(request => new(request, SoakVerb.Look) { Name = guest.Name });
}
