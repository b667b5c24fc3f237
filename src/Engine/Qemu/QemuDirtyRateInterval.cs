using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>A dirty rate that a QEMU measures over one interval: it is asked until it knows.</summary>
sealed class QemuDirtyRateInterval(QemuGuest guest, DirtyRateMode mode, TimeSpan interval, JsonObject asked)
{
    const double Mebibyte = 1 << 20;

    // Comparing the samples of a large guest takes a while after the time is over.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Whoever waits may want to stop.
    static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly JsonObject? _unit = asked["calc-time-unit"] is { } unit ? new() { ["calc-time-unit"] = unit.DeepClone() } : null;

    /// <summary>How it is measured.</summary>
    public DirtyRateMode Mode => mode;

    /// <summary>The result, or null if it is not known after waiting for so long. Throws why there will be none.</summary>
    public GuestDirtyRate? TryFinish(TimeSpan wait)
    {
        var left = interval - _clock.Elapsed;
        if (left > TimeSpan.Zero)
        {
            // A sleep is whole milliseconds: rounded down it would be none at the end.
            Thread.Sleep(left < wait ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : wait);
            if (_clock.Elapsed < interval) return null;
        }
        return Collect(wait);
    }

    GuestDirtyRate? Collect(TimeSpan wait)
    {
        if (Ask() is { } answer && answer.Text("status") == "measured") return Result(answer);
        if (_clock.Elapsed > interval + Patience)
            throw new MigrationException(MigrationErrorId.QmpTimeout, MigrationSide.Link,
                $"QEMU at {guest.Uri} had not measured the dirty rate of guest {guest.Name} {Patience.TotalSeconds:0} s after its time was over.");
        Thread.Sleep(wait);
        return null;
    }

    JsonElement? Ask()
    {
        try
        {
            return guest.Qmp.Execute("query-dirty-rate", _unit?.DeepClone().AsObject(), Limit);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QmpTimeout && !guest.Qmp.IsClosed)
        {
            return null;
        }
    }

    GuestDirtyRate Result(JsonElement answer)
    {
        if (answer.Number("dirty-rate") is not { } rate)
            throw new MigrationException(MigrationErrorId.QmpProtocolError, MigrationSide.Link,
                $"QEMU at {guest.Uri} has measured a dirty rate and does not tell it.");
        return new()
        {
            Name = guest.Name, Host = guest.Host, Mode = mode, Duration = Time(answer), DirtyRate = Math.Max(0, rate) * Mebibyte,
            Vcpus = [.. answer.Field("vcpu-dirty-rate").Items().Select(Vcpu).OfType<VcpuDirtyRate>()],
            Qemu = new("measured", rate, answer.Number("start-time") ?? 0, answer.Number("calc-time") ?? 0,
                answer.Text("calc-time-unit") ?? "second", answer.Number("sample-pages") ?? 0, answer.Text("mode") ?? ""),
        };
    }

    // In milliseconds QEMU tells how long it really was; in seconds that would say less than what was asked.
    TimeSpan Time(JsonElement answer) => (_unit is null ? null : answer.Milliseconds("calc-time")) ?? interval;

    static VcpuDirtyRate? Vcpu(JsonElement from) =>
        from.Number("id") is { } id and >= 0 and <= int.MaxValue && from.Number("dirty-rate") is { } rate
            ? new((int)id, Math.Max(0, rate) * Mebibyte)
            : null;
}
