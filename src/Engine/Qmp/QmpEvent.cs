using System.Text.Json;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qmp;

/// <summary>Something QEMU tells without being asked.</summary>
/// <param name="Name">For example <c>MIGRATION</c>.</param>
/// <param name="Data">An object; empty where QEMU says nothing more.</param>
/// <param name="Timestamp">QEMU's clock, UTC; this machine's where QEMU gives none.</param>
sealed record QmpEvent(string Name, JsonElement Data, DateTime Timestamp)
{
    /// <summary>Reads an event from a message that has an <c>event</c>.</summary>
    public static QmpEvent Parse(JsonElement message)
    {
        var data = message.Field("data");
        if (data.ValueKind != JsonValueKind.Object) data = QmpJson.EmptyObject;
        return new(message.Text("event") ?? "", data, When(message.Field("timestamp")));
    }

    // QEMU writes -1 for both when it can't tell.
    static DateTime When(JsonElement timestamp) =>
        timestamp.Number("seconds") is { } seconds and >= 0 && seconds < DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTime.UnixEpoch.AddSeconds(seconds).AddMicroseconds(Math.Clamp(timestamp.Number("microseconds") ?? 0, 0, 999_999))
            : WallClock.Now;
}
