namespace PsMigrate.Bench.Soak;

/// <summary>One journey of one guest to the other side, with what befalls it, until it runs at one side for certain.</summary>
sealed class SoakTrip(SoakGuest guest, SoakPeer to, Random random, SoakTally tally)
{
    const int MostRecoveries = 20;

    static readonly string[] Modes = ["Precopy", "Precopy", "Hybrid", "Postcopy"];

    public void Go()
    {
        var from = guest.At;
        using var link = new SoakLink(to.Port, Plans(), fault => tally.Fault(fault.ToString()));
        var journey = Journey();
        if (journey.Act != SoakAct.None) tally.Fault(journey.Act.ToString());
        var end = from.Ask(request => new(request, SoakVerb.Migrate) { Name = guest.Name, Uri = link.Uri, Journey = journey });
        var recoveries = 0;
        for (; end.State == "PostcopyPaused" && recoveries < MostRecoveries; recoveries++)
        {
            Thread.Sleep(random.Next(200));
            var migration = end.Migration;
            end = from.Ask(request => new(request, SoakVerb.Recover) { Migration = migration, Uri = link.Uri });
            if (end.State.Length == 0) end = end with { State = "PostcopyPaused", Migration = migration };
        }
        if (recoveries > 0) tally.Fault("Recovery");
        tally.Migrated(journey.Mode, end.State.Length == 0 ? "NotStarted" : end.State, end.Error);
        Settle(from, end);
    }

    /// <summary>Half of the links are sound; the rest fail once, some of them twice.</summary>
    IEnumerable<SoakFaultPlan> Plans()
    {
        var count = random.Next(4) switch { 0 or 1 => 0, 2 => 1, _ => 2 };
        for (; count > 0; count--) yield return new((SoakFault)random.Next(1, Enum.GetValues<SoakFault>().Length), Where());
    }

    /// <summary>Anywhere in what is sent, and often at its beginning, where the ends agree.</summary>
    long Where() => random.Next(3) == 0 ? random.Next(500) : (long)(random.NextDouble() * SoakGuests.Options(guest.Number).MemorySize * 1.2);

    SoakJourney Journey() => new(
        Modes[random.Next(Modes.Length)], random.Next(5) == 0 ? 2 : 0, random.Next(3) == 0 ? (SoakAct)random.Next(1, 5) : SoakAct.None, random.Next(600));

    /// <summary>
    /// Of a guest that is in doubt the source asks. The destination may need a moment to see that the link is gone, and gives up then;
    /// until all of that is over a guest may stand.
    /// </summary>
    void Settle(SoakPeer from, SoakAnswer end)
    {
        var (here, there) = ("", "");
        try
        {
            Waiting.Until(() =>
            {
                if (Look(from) == "InDoubt") from.Ask(request => new(request, SoakVerb.Resume) { Name = guest.Name });
                (here, there) = (Look(from), Look(to));
                return (here == "Running") != (there == "Running") && here is "Running" or "" && there is "Running" or "";
            }, $"{guest.Name} is not at one side");
        }
        catch (BenchException)
        {
            Console.WriteLine($"  {guest.Name} after {end.State} ({end.Location}, {end.Error} {end.Message}): '{here}' where it was, '{there}' where it went");
        }
        tally.Settled(isLost: here != "Running" && there != "Running", isDoubled: here == "Running" && there == "Running");
        guest.At = there == "Running" ? to : from;
    }

    string Look(SoakPeer side) => side.Ask(request => new(request, SoakVerb.Look) { Name = guest.Name }).State;
}
