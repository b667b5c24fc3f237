using System.Diagnostics;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Which share of a PC's memory is zero: QEMU counts that nowhere, and sends zero pages as a few bytes. Some pages, spread over what is RAM for
/// certain, are read by its human monitor (xp), which changes nothing; the guest runs on. Other machines have devices there, to which reading may do
/// something: of them nothing is read.
/// </summary>
static class QemuZeroSample
{
    // The error of a share is at most 2.5 %.
    const int Pages = 400;

    // Of each some dozen pages are looked at.
    const int Places = 32;

    // What lies between a PC's base memory and its first megabyte is no RAM; nor is what may lie below 4 GiB.
    const long HoleStart = 640 << 10;
    const long HoleEnd = 1 << 20;
    const long LowEnd = 2L << 30;
    const long MostLow = 3L << 30;
    const long HighStart = 4L << 30;

    // It takes a few tenths of a second.
    static readonly TimeSpan Longest = TimeSpan.FromSeconds(3);

    const string Zero = "0000000000000000";

    /// <summary>Which share is zero, of all and of each of some equal parts; null where it can't be looked at.</summary>
    public static (double Share, double[] Places)? Of(QmpClient qmp, string machine, long memory)
    {
        if (!IsPc(machine) || memory <= HoleEnd) return null;
        var seen = new List<(long Offset, bool IsZero)>(Pages);
        try
        {
            var clock = Stopwatch.StartNew();
            foreach (var address in Addresses(memory).TakeWhile(_ => clock.Elapsed < Longest))
                if (IsZero(Read(qmp, address, Longest)) is { } isZero) seen.Add((OffsetOf(address, memory), isZero));
        }
        catch (MigrationException error) when (error.Id is MigrationErrorId.QemuRefused or MigrationErrorId.UnsupportedByQemu or MigrationErrorId.QmpTimeout)
        {
            // It has no human monitor, or one that hangs: what it dirties is known all the same.
        }
        // Those that were left out would be the highest ones.
        return seen.Count >= Pages * 9 / 10 ? Shares(seen, memory) : null;
    }

    /// <summary>Of pages of so much memory, at least one. A part of which none was seen is as the whole.</summary>
    public static (double Share, double[] Places) Shares(IReadOnlyCollection<(long Offset, bool IsZero)> seen, long memory)
    {
        var share = (double)seen.Count(page => page.IsZero) / seen.Count;
        var places = seen.ToLookup(page => (int)((Int128)page.Offset * Places / memory), page => page.IsZero ? 1.0 : 0);
        return (share, [.. Enumerable.Range(0, Places).Select(place => places[place].DefaultIfEmpty(share).Average())]);
    }

    /// <summary>Where in the guest's RAM: what lies beyond 4 GiB is the end of it.</summary>
    public static long OffsetOf(long address, long memory) => address < HighStart ? address : memory - Math.Max(0, memory - MostLow) + (address - HighStart);

    /// <summary>One page of each of so many equal parts of what is looked at.</summary>
    public static IEnumerable<long> Addresses(long memory)
    {
        var (low, high) = (Math.Min(memory, LowEnd), Math.Max(0, memory - MostLow));
        var pages = (low + high) / GuestMemory.PageSize;
        var random = 0UL;
        for (var i = 0; i < Pages; i++)
        {
            long first = pages * i / Pages, next = Math.Max(first + 1, pages * (i + 1) / Pages);
            var offset = (first + (long)Generator.Below(Generator.Next(ref random), (ulong)(next - first))) * GuestMemory.PageSize;
            if (offset is < HoleStart or >= HoleEnd) yield return offset < low ? offset : HighStart + (offset - low);
        }
    }

    /// <summary>Whether all words of a dump are zero; null where it is none.</summary>
    public static bool? IsZero(string dump)
    {
        var words = 0;
        for (var at = dump.IndexOf(" 0x", StringComparison.Ordinal); at >= 0; at = dump.IndexOf(" 0x", at + 1, StringComparison.Ordinal))
        {
            if (at + 3 + Zero.Length > dump.Length) return null;
            if (string.CompareOrdinal(dump, at + 3, Zero, 0, Zero.Length) != 0) return false;
            words++;
        }
        return words == 512 ? true : null;
    }

    static bool IsPc(string machine) => machine.StartsWith("pc", StringComparison.Ordinal) || machine.StartsWith("q35", StringComparison.Ordinal);

    static string Read(QmpClient qmp, long address, TimeSpan limit) =>
        qmp.Execute("human-monitor-command", new JsonObject { ["command-line"] = FormattableString.Invariant($"xp /512gx {address}") }, limit).GetString() ?? "";
}
