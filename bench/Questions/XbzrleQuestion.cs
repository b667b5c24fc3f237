using System.Diagnostics;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Bench.Questions;

/// <summary>How fast differences of pages are made: vectors against one byte after the other, on the same pages.</summary>
sealed class XbzrleQuestion : IQuestion
{
    // Twice 16 MiB: more than the caches near the core hold, as a guest's pages are.
    const int Pages = 4096;
    const int WriteSize = 8;
    static readonly TimeSpan Span = TimeSpan.FromMilliseconds(500);

    delegate int Encoder(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, Span<byte> encoded);

    public string Name => "xbzrle";

    public string Text => "differences of pages, with vectors against byte by byte";

    public IEnumerable<Row> Ask(int runs)
    {
        foreach (var writes in new[] { 1, 64 })
        {
            var (before, after) = Memory(writes);
            if (Total(XbzrleEncoder.Encode, before, after) != Total(XbzrleEncoder.EncodePlain, before, after))
                throw new BenchException("The two encoders differ.");
            List<double> vectors = [], plain = [];
            for (var round = 1; round <= runs; round++)
            {
                plain.Add(Rate(XbzrleEncoder.EncodePlain, before, after));
                vectors.Add(Rate(XbzrleEncoder.Encode, before, after));
                Progress.Show(round, runs, ("plain GB/s", plain[^1]), ("vectors", vectors[^1]));
            }
            var work = $"differences of pages with {writes} {(writes == 1 ? "write" : "writes")} of {WriteSize} bytes each";
            yield return Row.OfRates(work, "byte by byte", "GB/s", vectors, plain, 2.0);
        }
    }

    static (byte[] Before, byte[] After) Memory(int writes)
    {
        var random = new Random(1);
        var before = new byte[Pages * GuestMemory.PageSize];
        random.NextBytes(before);
        var after = before.ToArray();
        for (var page = 0; page < Pages; page++)
            for (var write = 0; write < writes; write++)
            {
                var at = (page * GuestMemory.PageSize) + (WriteSize * random.Next(GuestMemory.PageSize / WriteSize));
                random.NextBytes(after.AsSpan(at, WriteSize));
            }
        return (before, after);
    }

    static double Rate(Encoder encode, byte[] before, byte[] after)
    {
        var clock = Stopwatch.StartNew();
        long bytes = 0;
        for (; clock.Elapsed < Span; bytes += before.Length) Total(encode, before, after);
        return bytes / clock.Elapsed.TotalSeconds / 1e9;
    }

    /// <summary>Encodes all pages; the bytes of the differences.</summary>
    static long Total(Encoder encode, byte[] before, byte[] after)
    {
        var encoded = new byte[GuestMemory.PageSize];
        long total = 0;
        for (var at = 0; at < before.Length; at += GuestMemory.PageSize)
            total += encode(before.AsSpan(at, GuestMemory.PageSize), after.AsSpan(at, GuestMemory.PageSize), encoded);
        return total;
    }
}
