using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qmp;

/// <summary>The typed errors of QMP, in one wording.</summary>
static class QmpErrors
{
    // Of what the other end sent, characters.
    const int MaxQuote = 80;
    const int MaxDescription = 1000;

    /// <summary>UnsupportedUri: QMP is spoken over sockets.</summary>
    public static MigrationException NoSocket(MigrationUri uri) =>
        new(MigrationErrorId.UnsupportedUri, MigrationSide.User, $"{uri} can't be a QMP address: QMP needs unix: or tcp:.");

    /// <summary>QmpConnectionLost, because the other end has gone.</summary>
    public static MigrationException Lost(MigrationUri uri, Exception? inner = null)
    {
        var text = inner is null
            ? $"QEMU closed the QMP connection at {uri}, or has ended."
            : $"The QMP connection at {uri} broke: {(inner.InnerException ?? inner).Message}";
        return new(MigrationErrorId.QmpConnectionLost, MigrationSide.Link, text, inner);
    }

    /// <summary>QmpConnectionLost, because this end closed it.</summary>
    public static MigrationException ClosedHere(MigrationUri uri) =>
        new(MigrationErrorId.QmpConnectionLost, MigrationSide.Link, $"The QMP connection at {uri} was closed at this end.");

    /// <summary>Why a command gets no answer; the identifier is that of the reason.</summary>
    public static MigrationException NoAnswer(string command, MigrationException reason) =>
        new(reason.Id, reason.Side, $"'{command}' got no answer. {reason.Message}", reason);

    /// <summary>QmpProtocolError.</summary>
    public static MigrationException NoQmp(MigrationUri uri, string reason, Exception? inner = null) =>
        new(MigrationErrorId.QmpProtocolError, MigrationSide.Link, $"What answers at {uri} does not speak QMP: {reason}", inner);

    /// <summary>QmpTimeout, because no greeting came.</summary>
    public static MigrationException NoGreeting(MigrationUri uri, TimeSpan timeout, bool hasBegun)
    {
        var reason = hasBegun
            ? "only a part of one came."
            : "QEMU serves one client per QMP socket and lets others wait: another may be connected. Or this is no QMP socket.";
        return Timeout($"No QMP greeting from {uri} within {Seconds(timeout)}: {reason}");
    }

    /// <summary>QmpTimeout of a command that was sent.</summary>
    public static MigrationException TooSlow(MigrationUri uri, string command, TimeSpan timeout) =>
        Timeout($"QEMU at {uri} did not answer '{command}' within {Seconds(timeout)}. It may still carry it out.");

    /// <summary>QmpTimeout of a command that was not sent, since too many before it are not answered.</summary>
    public static MigrationException NotSent(MigrationUri uri, string command, TimeSpan timeout) =>
        Timeout($"'{command}' was not sent to QEMU at {uri} within {Seconds(timeout)}: commands before it are not answered yet.");

    /// <summary>QmpTimeout: the connection is given up, for a command can't be sent in part.</summary>
    public static MigrationException NotTaken(MigrationUri uri, string command) =>
        Timeout($"QEMU at {uri} does not read what it is sent: '{command}' could not be sent in time, and the connection was closed.");

    /// <summary>QemuRefused or UnsupportedByQemu, from the <c>error</c> of an answer.</summary>
    public static MigrationException Refused(string command, string? errorClass, string? description)
    {
        var text = Plain(description ?? "no reason given", MaxDescription);
        return errorClass == "CommandNotFound"
            ? new(MigrationErrorId.UnsupportedByQemu, MigrationSide.User, $"This QEMU does not have the command '{command}': {text}")
            : new(MigrationErrorId.QemuRefused, MigrationSide.User, $"QEMU refused '{command}': {text}");
    }

    /// <summary>The beginning of what was received, fit to be shown.</summary>
    public static string Quote(ReadOnlySpan<byte> received)
    {
        var line = received.IndexOf((byte)'\n');
        if (line >= 0) received = received[..line];
        // Four bytes at most make a character.
        return $"'{Plain(Encoding.UTF8.GetString(received[..Math.Min(received.Length, 4 * MaxQuote)]).Trim(), MaxQuote)}'";
    }

    /// <summary>The same of a message.</summary>
    public static string Quote(JsonElement message) => Quote(JsonMarshal.GetRawUtf8Value(message));

    static MigrationException Timeout(string message) => new(MigrationErrorId.QmpTimeout, MigrationSide.Link, message);

    /// <summary>QEMU's words, fit to be shown.</summary>
    public static string Plain(string text) => Plain(text, MaxDescription);

    static string Plain(string text, int length) =>
        string.Concat(text.Take(length).Select(c => char.IsControl(c) || c == '\uFFFD' ? '.' : c)) + (text.Length > length ? "…" : "");

    static string Seconds(TimeSpan time) => $"{time.TotalSeconds:0.##} s";
}
