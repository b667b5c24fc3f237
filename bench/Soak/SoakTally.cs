using System.Text.Json;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Soak;

/// <summary>What happened in a soak. Thread-safe.</summary>
sealed class SoakTally
{
    static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    readonly Lock _lock = new();
    readonly SortedDictionary<string, int> _faults = [];
    readonly SortedDictionary<string, int> _modes = [];
    readonly SortedDictionary<string, int> _ends = [];
    readonly SortedDictionary<string, int> _errors = [];

    public int Migrations { get; private set; }

    /// <summary>Guests that ran nowhere, and did not again.</summary>
    public int Lost { get; private set; }

    /// <summary>Guests that ran at both sides.</summary>
    public int Doubled { get; private set; }

    public int Compared { get; private set; }

    public int Different { get; private set; }

    /// <summary>Whether it is as it must be.</summary>
    public bool IsClean => Lost + Doubled + Different == 0 && Compared > 0;

    public void Fault(string kind)
    {
        lock (_lock) Count(_faults, kind);
    }

    public void Migrated(string mode, string end, string error)
    {
        lock (_lock)
        {
            Migrations++;
            Count(_modes, mode);
            Count(_ends, end);
            if (error.Length > 0) Count(_errors, error);
        }
    }

    public void Settled(bool isLost, bool isDoubled)
    {
        lock (_lock) (Lost, Doubled) = (Lost + (isLost ? 1 : 0), Doubled + (isDoubled ? 1 : 0));
    }

    public void Digests(bool areEqual)
    {
        lock (_lock) (Compared, Different) = (Compared + 1, Different + (areEqual ? 0 : 1));
    }

    public override string ToString()
    {
        lock (_lock)
            return $"{Migrations} migrations ({Text(_modes)}; {Text(_ends)}), errors: {Text(_errors)}; faults: {Text(_faults)}; {Lost} guests lost, {Doubled} at two places, "
                + $"{Compared} digests compared, {Different} different";
    }

    /// <summary>Kept in the repository.</summary>
    public void Save(string file, double minutes, int guests, int seed)
    {
        lock (_lock)
            File.WriteAllText(file, JsonSerializer.Serialize(new
            {
                minutes, guests, seed, migrations = Migrations, modes = _modes, ends = _ends, errors = _errors, faults = _faults, guestsLost = Lost, guestsAtTwoPlaces = Doubled,
                digestsCompared = Compared, digestsDifferent = Different, machine = Host.Text, date = Host.Today,
            }, Options) + "\n");
    }

    static string Text(SortedDictionary<string, int> counts) => string.Join(", ", counts.Select(one => $"{one.Key} {one.Value}"));

    static void Count(SortedDictionary<string, int> counts, string what) => counts[what] = counts.GetValueOrDefault(what) + 1;
}
