using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Questions;

/// <summary>To another host of the same process, against copying the same RAM; the memory it goes to is warm in both.</summary>
sealed class LocalQuestion : IQuestion
{
    const string Host = "bench-there";

    public string Name => "local";

    public string Text => "2 GiB random RAM, paused, local: destination, prefaulted, against memcpy of the same RAM";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var memory = new WarmMemory(HostMemory.Default);
        HostMemory.Default = memory;
        try
        {
            return [Measure(source, memory, runs)];
        }
        finally
        {
            HostMemory.Default = memory.Inner;
        }
    }

    static Row Measure(SourceGuest source, WarmMemory memory, int runs)
    {
        Send(source);
        Copy(source, memory);
        List<MigrationRun> ours = [];
        List<double> theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(SourceGuest.Size / Copy(source, memory).TotalSeconds / 1e9);
            ours.Add(Send(source));
            Progress.Show(round, runs, ("memcpy GB/s", theirs[^1]), ("ours", Rate(ours[^1])));
        }
        return Row.OfRates("2 GiB random, local:, prefaulted destination", "memcpy of the same RAM", "GB/s", [.. ours.Select(Rate)], theirs, 0.5) with
        {
            Line = 14, Note = MigrationRun.Breakdown("ours, both in one process", ours),
        };
    }

    /// <summary>Copies to the memory that the migrations go to.</summary>
    static unsafe TimeSpan Copy(SourceGuest source, WarmMemory memory)
    {
        var to = memory.Reserve(SourceGuest.Size);
        var time = PlainMemory.Copy(source.Guest.Memory.Ram, to);
        memory.Release(to, SourceGuest.Size);
        return time;
    }

    static MigrationRun Send(SourceGuest source)
    {
        var run = source.Send(MigrationUri.Parse($"local:{Host}"), new MigrationParameters());
        var arrived = (MemoryGuest)GuestRegistry.All.Single(guest => guest.Host == Host);
        var digest = arrived.Digest();
        GuestRegistry.Remove(arrived);
        return digest == source.Digest ? run : throw new BenchException($"the memories differ: {source.Digest} here, {digest} there.");
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
