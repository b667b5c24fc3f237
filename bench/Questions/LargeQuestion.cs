using System.Diagnostics;
using System.Globalization;
using PsMigrate.Bench.Report;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// What a large guest costs because it is large: a sparse one of 16 GiB, every part measured by itself, and what that makes for a
/// terabyte. What grows with RAM is multiplied; nothing here depends on how much of it was written, unless it says so.
/// </summary>
sealed class LargeQuestion : IQuestion
{
    const long Size = 16L << 30;
    const long Written = 256L << 20;
    const int PerTiB = 64;
    const string Far = "bench-large-far";

    readonly SortedDictionary<string, List<double>> _figures = new(StringComparer.Ordinal);

    public string Name => "large";

    public string Text => "a sparse guest of 16 GiB: setup, sync, scan, what stands in the blackout, memory cost; per TiB";

    public IEnumerable<Row> Ask(int runs)
    {
        for (var round = 0; round <= runs; round++)
        {
            // The first one compiles.
            if (round == 1) _figures.Clear();
            Sides();
            Whole("local", MigrationUri.Parse($"local:{Far}"));
            using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = Far });
            Whole("tcp", receiver.Uri);
            if (round > 0) Console.WriteLine($"  {round}/{runs}  (load {Host.Load()})");
        }
        Show();
        return [];
    }

    void Sides()
    {
        var guest = Measure("1 guest made, ms", allocated: "9 guest, bytes a page", () => Make(Written));
        var (near, far) = LocalLink.Create("large");
        try
        {
            var (saver, writer) = (Measure("", "9 saver's bitmaps, bytes a page", () => new RamSaver(guest)), new WireWriter(near.Output));
            var logs = Measure("2 dirty log made while the guest runs, ms", "9 dirty log, bytes a page", guest.Memory.MakeLogs);
            Time("2 dirty log put on while it stands, ms", () => guest.Memory.StartLog(logs));
            guest.Memory.StopLog();
            Time("3 setup of the saver in all, ms", () => saver.SaveSetup(writer));
            Bitmaps(guest.Memory.Ram);
            saver.Cleanup();
            Arrival();
            Time("8 digest of a guest that wrote nothing, ms", Digest);
        }
        finally
        {
            near.Dispose();
            far.Dispose();
            GuestRegistry.Remove(guest);
        }
    }

    /// <summary>What each pass does with the bitmaps, clean and with all pages dirty.</summary>
    void Bitmaps(RamBlock ram)
    {
        var bitmap = new PageBitmap(ram.Pages);
        Time("3 all pages set, ms", bitmap.SetAll);
        for (var word = 0; word < bitmap.WordCount; word++) bitmap.ClearBits(word, bitmap.Word(word));
        Time("4 sync, clean, ms", () => bitmap.Collect(ram.Log!));
        Time("5 scan, clean, ms", () => bitmap.NextWord(0));
        for (long page = 0; page < ram.Pages; page++) ram.Wrote(page);
        Time("4 sync, all pages dirty, ms", () => bitmap.Collect(ram.Log!));
    }

    void Arrival()
    {
        var memory = new GuestMemory(Size);
        var ram = Measure("6 destination's bitmaps made, ms", "9 destination, bytes a page", () => new ArrivingRam(memory));
        foreach (var block in ram.Blocks)
            for (var word = 0; word < block.Block.Pages / 64; word++) block.MarkReceived(word, ulong.MaxValue);
        Time("7 has all come, asked for the first time, ms", () => { _ = ram.IsComplete; });
        Time("7 has all come, in the blackout, ms", () => { _ = ram.IsComplete; });
        memory.Release();
    }

    static void Digest()
    {
        var memory = new GuestMemory(Size);
        RamDigest.Compute(memory);
        memory.Release();
    }

    /// <summary>A migration from end to end, of a guest that wrote nothing and of one that wrote little.</summary>
    void Whole(string how, MigrationUri uri)
    {
        foreach (var written in new[] { 0, Written })
        {
            var guest = Make(written);
            try
            {
                var migration = Migration.Start(guest, uri, new MigrationParameters());
                migration.Wait();
                var result = migration.Result!;
                if (result.Error is { } error) throw new BenchException(error.Message);
                var what = $"a {how}: {(written == 0 ? "nothing" : "256 MiB")} written";
                Note($"{what}, setup, ms", result.SetupTime.TotalMilliseconds);
                Note($"{what}, total, ms", result.TotalTime.TotalMilliseconds);
                Note($"{what}, downtime, ms", result.Downtime.TotalMilliseconds);
                Note($"{what}, MiB on the wire", result.TransferredBytes / (double)(1 << 20));
            }
            finally
            {
                foreach (var one in GuestRegistry.All.Where(one => one.Name == guest.Name).ToList()) GuestRegistry.Remove(one);
            }
        }
    }

    // It runs, so that there is a downtime, and does nothing.
    static MemoryGuest Make(long written) => GuestRegistry.Create(new GuestOptions
    {
        Name = "bench-large", MemorySize = Size, Workload = GuestWorkload.Idle,
        Content = written == 0 ? GuestContent.Zero : GuestContent.Random, ContentSize = written,
    });

    void Time(string what, Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        Note(what, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    T Measure<T>(string what, string allocated, Func<T> action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var start = Stopwatch.GetTimestamp();
        var made = action();
        if (what.Length > 0) Note(what, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        Note(allocated, (GC.GetAllocatedBytesForCurrentThread() - before) / (double)(Size / GuestMemory.PageSize));
        return made;
    }

    void Note(string what, double value)
    {
        if (!_figures.TryGetValue(what, out var values)) _figures.Add(what, values = []);
        values.Add(value);
    }

    void Show()
    {
        Console.WriteLine($"\n| what | 16 GiB, min / median / max | per TiB |\n|---|---|---|");
        foreach (var (what, values) in _figures)
        {
            var series = Series.Of(values);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {what[2..]} | {series.Min:0.000} / {series.Median:0.000} / {series.Max:0.000} | {PerTebibyte(what, series.Median)} |"));
        }
    }

    // Bytes a page are 256 times as many MiB. Of whole migrations nothing is derived: what they take is mostly none of the guest's size.
    static string PerTebibyte(string what, double median) => what switch
    {
        _ when what.EndsWith("bytes a page", StringComparison.Ordinal) => string.Create(CultureInfo.InvariantCulture, $"{median * 256:0.0} MiB"),
        _ when what[0] is '1' or 'a' => "–",
        _ when what.Contains("stands", StringComparison.Ordinal) || what.Contains("blackout", StringComparison.Ordinal) => "the same",
        _ => string.Create(CultureInfo.InvariantCulture, $"{median * PerTiB:0.0} ms"),
    };
}
