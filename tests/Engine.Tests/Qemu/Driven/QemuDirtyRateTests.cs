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

    readonly List<FakeQemu> _qemus = [];
    readonly List<QemuGuest> _guests = [];
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
        var rate = Measure(guest, new() { SamplePages = 600 });
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
        Assert.Equal(1 << 20, Measure(guest, new()).DirtyRate);
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
        for (var step = 0; step < 3; step++) Assert.Null(Patience.Within(() => measurement.TryFinish(TimeSpan.FromMilliseconds(50)), "a step"));
        Assert.True(_qemus[0].CountOf("query-dirty-rate") > 0);
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

    QemuGuest Guest(int major, int minor, bool kvm, string answer)
    {
        var qemu = new FakeQemu(major, minor) { IsKvm = kvm };
        _qemus.Add(qemu);
        qemu.Server.Commands["calc-dirty-rate"] = arguments =>
        {
            _calc = arguments.DeepClone().AsObject();
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
