using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.Driven;

/// <summary>What QEMUs of several versions are asked when a dirty rate is measured, and what they may answer.</summary>
public sealed class QemuDirtyRateTests : IDisposable
{
    static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Fifty = TimeSpan.FromMilliseconds(50);

    readonly List<FakeQemu> _qemus = [];
    readonly List<QemuGuest> _guests = [];
    readonly List<JsonObject> _asked = [];
    JsonObject? _calc;
    JsonObject? _query;

    public void Dispose()
    {
        foreach (var guest in _guests) guest.Disconnect();
        foreach (var qemu in _qemus) qemu.Dispose();
    }

    [Fact]
    public void Figures_come_in_bytes_and_in_QEMUs_units()
    {
        var guest = Guest(8, 2, kvm: true, """
            {"status":"measured","dirty-rate":100,"mode":"dirty-ring","calc-time-unit":"millisecond","start-time":1700000000,"calc-time":50,
             "sample-pages":0,"vcpu-dirty-rate":[{"id":0,"dirty-rate":60},{"id":1,"dirty-rate":40},{"id":-1,"dirty-rate":1},7]}
            """);
        var rate = Measure(guest, new() { Duration = TimeSpan.FromMilliseconds(50), Mode = DirtyRateMode.DirtyRing });
        Assert.Equal((guest.Name, "local", DirtyRateMode.DirtyRing, 100.0 * (1 << 20)), (rate.Name, rate.Host, rate.Mode, rate.DirtyRate));
        Assert.Equal([new VcpuDirtyRate(0, 60 << 20), new VcpuDirtyRate(1, 40 << 20)], rate.Vcpus);
        Assert.Equal(new QemuDirtyRate("measured", 100, 1_700_000_000, 50, "millisecond", 0, "dirty-ring"), rate.Qemu);
        Assert.Equal("""{"calc-time":50,"calc-time-unit":"millisecond","mode":"dirty-ring"}""", _calc!.ToJsonString());
        Assert.Equal("""{"calc-time-unit":"millisecond"}""", _query!.ToJsonString());
    }

    [Fact]
    public void Whole_seconds_are_asked_as_all_versions_know_them()
    {
        var guest = Guest(7, 2, kvm: false, """{"status":"measured","dirty-rate":-3,"mode":"page-sampling","start-time":7,"calc-time":1,"sample-pages":600}""");
        var rate = Measure(guest, new() { Duration = Second, SamplePages = 600 });
        Assert.Equal("""{"calc-time":1,"sample-pages":600}""", _calc!.ToJsonString());
        Assert.Empty(_query!);
        Assert.Equal((0.0, Second, "second"), (rate.DirtyRate, rate.Duration, rate.Qemu!.CalcTimeUnit));
    }

    [Theory]
    [InlineData(7, 2, 1500, null, null, "8.2")]
    [InlineData(8, 1, 50, null, null, "8.2")]
    [InlineData(6, 1, 1000, DirtyRateMode.DirtyBitmap, null, "6.2")]
    [InlineData(6, 0, 1000, null, 600, "6.1")]
    [InlineData(5, 1, 1000, null, null, "5.2")]
    public void What_a_version_lacks_is_said_with_the_one_that_has_it(int major, int minor, int milliseconds, DirtyRateMode? mode, int? pages, string since)
    {
        var guest = Guest(major, minor, kvm: true, "{}");
        var error = Failing.With(MigrationErrorId.UnsupportedByQemu, () => guest.MeasureDirtyRate(
            new() { Duration = TimeSpan.FromMilliseconds(milliseconds), Mode = mode, SamplePages = pages }));
        Assert.Contains($"needs QEMU {since}", error.Message, StringComparison.Ordinal);
        Assert.Null(_calc);
    }

    [Theory]
    [InlineData(DirtyRateMode.DirtyBitmap)]
    [InlineData(DirtyRateMode.DirtyRing)]
    public void What_counts_in_KVM_is_not_asked_elsewhere(DirtyRateMode mode)
    {
        var guest = Guest(7, 2, kvm: false, "{}");
        Failing.With(MigrationErrorId.RequiresKvm, () => guest.MeasureDirtyRate(new() { Mode = mode }));
        Assert.Null(_calc);
    }

    [Fact]
    public void The_log_of_a_migration_is_left_to_it()
    {
        var guest = Guest(8, 2, kvm: true, """{"status":"measured","dirty-rate":1}""");
        guest.Claim(this);
        Failing.With(MigrationErrorId.GuestBusy, () => guest.MeasureDirtyRate(new() { Mode = DirtyRateMode.DirtyBitmap }));
        Assert.Equal(1 << 20, Measure(guest, new() { Duration = Fifty }).DirtyRate);
        Assert.False(_calc!.ContainsKey("mode"));
        guest.Unclaim(this);
    }

    [Fact]
    public void One_measurement_at_a_time()
    {
        var guest = Guest(8, 2, kvm: false, """{"status":"measuring"}""");
        _qemus[0].Answer("calc-dirty-rate", () => throw new QmpRefusal("the dirty rate is already being measured."));
        Failing.With(MigrationErrorId.GuestBusy, () => guest.MeasureDirtyRate(new()));
        _qemus[0].Answer("query-dirty-rate", () => JsonNode.Parse("""{"status":"unstarted"}"""));
        Failing.With(MigrationErrorId.QemuRefused, () => guest.MeasureDirtyRate(new()));
    }

    [Fact]
    public void It_is_asked_until_it_knows()
    {
        var guest = Guest(8, 2, kvm: false, "{}");
        var asked = 0;
        _qemus[0].Answer("query-dirty-rate", () => ++asked < 4
            ? JsonNode.Parse(asked == 1 ? """{"status":"unstarted"}""" : asked == 2 ? "[]" : """{"status":"measuring"}""")
            : JsonNode.Parse("""{"status":"measured","dirty-rate":5}"""));
        Assert.Equal(5 << 20, Measure(guest, new() { Duration = TimeSpan.FromMilliseconds(50) }).DirtyRate);
        Assert.Equal(4, asked);
    }

    [Fact]
    public void A_QEMU_that_hangs_is_waited_for_in_small_steps()
    {
        var guest = Guest(8, 2, kvm: false, "{}");
        _qemus[0].Hang("query-dirty-rate");
        using var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromMilliseconds(50) });
        Patience.Until(() =>
        {
            Assert.Null(Patience.Within(() => measurement.TryFinish(TimeSpan.FromMilliseconds(50)), "a step"));
            return _qemus[0].CountOf("query-dirty-rate") >= 3;
        }, "it is asked again and again");
    }

    [Fact]
    public void A_QEMU_that_ends_says_no_more()
    {
        var guest = Guest(8, 2, kvm: false, "{}");
        using var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromMilliseconds(50) });
        _qemus[0].Server.Drop();
        Failing.With(MigrationErrorId.QmpConnectionLost, () => Finish(measurement));
    }

    [Fact]
    public void Measured_without_a_rate_is_no_answer()
    {
        var guest = Guest(8, 2, kvm: false, """{"status":"measured"}""");
        Failing.With(MigrationErrorId.QmpProtocolError, () => Measure(guest, new() { Duration = TimeSpan.FromMilliseconds(50) }));
    }

    [Theory]
    [InlineData(7, 1, "1")]
    [InlineData(7, 2, "2")]
    [InlineData(7, 3, "1 2")]
    [InlineData(7, 4, "1 3")]
    [InlineData(7, 6, "1 2 3")]
    [InlineData(7, 15, "1 2 4 8")]
    [InlineData(9, 1, "50 100 200 650")]
    [InlineData(9, 0.05, "50")]
    [InlineData(9, 3, "50 100 200 400 800 1450")]
    public void A_time_is_shared_out_to_intervals_of_which_each_is_twice_as_long(int major, double duration, string intervals)
    {
        var shortest = major < 8 ? Second : Fifty;
        var split = QemuDirtyRateMeasurement.Split(TimeSpan.FromSeconds(duration), shortest);
        Assert.Equal(intervals, string.Join(' ', split.Select(one => major < 8 ? one.TotalSeconds : one.TotalMilliseconds)));
        Assert.Equal(TimeSpan.FromSeconds(duration), split.Aggregate((a, b) => a + b));
    }

    [Fact]
    public void A_curve_is_measured_one_interval_after_another()
    {
        var guest = Guest(8, 2, kvm: false, "{}");
        long[] rates = [40, 35, 30, 12];
        _qemus[0].Server.Commands["query-dirty-rate"] = arguments => JsonNode.Parse(
            $$"""{"status":"measured","dirty-rate":{{rates[_asked.Count - 1]}},"calc-time":{{_calc!["calc-time"]!.GetValue<long>() + 1}},"calc-time-unit":"millisecond"}""");
        var rate = Measure(guest, new() { Duration = Second });
        Assert.Equal([50, 100, 200, 650], _asked.Select(asked => asked["calc-time"]!.GetValue<long>()));
        var curve = rate.Curve!;
        Assert.Equal([51, 101, 201, 651], curve.Points.Select(point => point.Interval.TotalMilliseconds));
        Assert.Equal(rates.Zip([0.051, 0.101, 0.201, 0.651], (each, time) => each * (1 << 20) * time), curve.Points.Select(point => point.Bytes), (a, b) => Math.Abs(a - b) < 1);
        Assert.Equal((guest.MemorySize, guest.MemorySize, null, null, null),
            (curve.TotalBytes, curve.UsedBytes, curve.ZeroShare, curve.CompressedShare, curve.DeltaShare));
        // The figures of the longest.
        Assert.Equal((12.0 * (1 << 20), 651.0, 12L), (rate.DirtyRate, rate.Duration.TotalMilliseconds, rate.Qemu!.DirtyRate));
        Assert.Equal((long)curve.Points[^1].Bytes, rate.WrittenBytes);
        Assert.NotNull(rate.WorkingSet);
    }

    [Theory]
    [InlineData(7, 64 << 20, 16384)]
    [InlineData(7, 1 << 30, 4096)]
    [InlineData(7, 5L << 30, 819)]
    [InlineData(7, 8L << 30, null)]
    [InlineData(7, 0, 16384)]
    [InlineData(6, 64 << 20, null)]
    public void Enough_pages_of_a_small_guest_are_compared(int major, long memory, int? pages)
    {
        var guest = Guest(major, 0, kvm: false, """{"status":"measured","dirty-rate":1}""", memory);
        Measure(guest, new() { Duration = Second });
        Assert.Equal(pages, _calc!["sample-pages"]?.GetValue<int>());
    }

    [Fact]
    public void More_than_the_memory_is_never_dirtied()
    {
        var guest = Guest(8, 2, kvm: false, """{"status":"measured","dirty-rate":1000000}""");
        var rate = Measure(guest, new() { Duration = Fifty });
        Assert.Equal((guest.MemorySize, 1), (rate.WrittenBytes, rate.Curve!.Points.Length));
    }

    [Theory]
    [InlineData(DirtyRateMode.DirtyBitmap, "")]
    [InlineData(DirtyRateMode.DirtyRing, "dirty-bitmap")]
    [InlineData(DirtyRateMode.PageSampling, "dirty-bitmap dirty-ring")]
    public void On_KVM_the_best_mode_is_taken_that_QEMU_does_not_refuse(DirtyRateMode expected, string refused)
    {
        var guest = Guest(8, 2, kvm: true, """{"status":"measured","dirty-rate":1}""");
        _qemus[0].Server.Commands["calc-dirty-rate"] = arguments =>
        {
            _asked.Add(arguments.DeepClone().AsObject());
            var mode = _asked[^1]["mode"]?.GetValue<string>();
            return mode is not null && refused.Split(' ').Contains(mode) ? throw new QmpRefusal($"mode {mode} is not enabled") : new JsonObject();
        };
        Assert.Equal(expected, Measure(guest, new() { Duration = 3 * Fifty }).Mode);
        // Once it is known, no other one is tried.
        Assert.Equal(refused.Length == 0 ? 2 : refused.Split(' ').Length + 2, _asked.Count);
        Assert.Equal(_asked[^1]["mode"]?.GetValue<string>(), _asked[^2]["mode"]?.GetValue<string>());
    }

    [Fact]
    public void Who_asks_for_sampled_pages_gets_them_on_KVM_too()
    {
        var guest = Guest(8, 2, kvm: true, """{"status":"measured","dirty-rate":1}""");
        Assert.Equal(DirtyRateMode.PageSampling, Measure(guest, new() { Duration = Fifty, SamplePages = 1024 }).Mode);
    }

    QemuGuest Guest(int major, int minor, bool kvm, string answer, long memory = 64 << 20)
    {
        var qemu = new FakeQemu(major, minor) { IsKvm = kvm };
        qemu.Answer("query-memory-size-summary", () => new JsonObject { ["base-memory"] = memory, ["plugged-memory"] = 0 });
        _qemus.Add(qemu);
        qemu.Server.Commands["calc-dirty-rate"] = arguments =>
        {
            _calc = arguments.DeepClone().AsObject();
            _asked.Add(_calc);
            return new JsonObject();
        };
        qemu.Server.Commands["query-dirty-rate"] = arguments =>
        {
            _query = arguments.DeepClone().AsObject();
            return JsonNode.Parse(answer);
        };
        _guests.Add(qemu.Connect());
        return _guests[^1];
    }

    static GuestDirtyRate Measure(QemuGuest guest, DirtyRateOptions options)
    {
        using var measurement = guest.MeasureDirtyRate(options);
        return Finish(measurement);
    }

    static GuestDirtyRate Finish(DirtyRateMeasurement measurement)
    {
        GuestDirtyRate? rate = null;
        Patience.Until(() => (rate = measurement.TryFinish(TimeSpan.FromMilliseconds(20))) is not null, "the rate");
        return rate!;
    }
}
