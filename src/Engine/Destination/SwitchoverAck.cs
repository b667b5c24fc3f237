using System.Globalization;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Whether a source waits for SWITCHOVER_ACK before it switches over. With the capability switchover-ack, machines up to 11.0 want one
/// for all their devices; from 11.1 on one for each request, and one that nobody asked for is an error there. To a source without the
/// capability, or before QEMU 8.1, the message is an error too: nothing in a stream tells, so the receiver's owner has to say so.
/// </summary>
static class SwitchoverAck
{
    static readonly Version LastLegacy = new(11, 0);

    /// <summary>
    /// By the machine type in CONFIGURATION. That of <c>none</c> has no version: QEMU 8.1 to 11.0 expect one for it, 11.1 does not.
    /// </summary>
    public static bool IsExpectedBy(string machine) => VersionOf(machine) is not { } version || version <= LastLegacy;

    /// <summary>Of names such as pc-i440fx-7.2 and pc-q35-10.0; null for names without a version.</summary>
    public static Version? VersionOf(string machine)
    {
        var last = machine[(machine.LastIndexOf('-') + 1)..].Split('.');
        return last.Length is 2 or 3 && Number(last[0]) is { } major && Number(last[1]) is { } minor ? new Version(major, minor) : null;
    }

    static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
