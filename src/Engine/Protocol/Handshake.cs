namespace PsMigrate.Engine.Protocol;

/// <summary>
/// How two ends of this project find each other, and what they then say beyond QEMU's stream.
/// <code>
/// source                                     destination
///   QEVM 3, CONFIGURATION "none"
///   OPEN_RETURN_PATH
///   PING 1                    ─────────────▶
///                             ◀───────────── PONG 1
///   PING 0x50534D01           ─────────────▶
///                             ◀───────────── PONG 0x50534D01: a QEMU (it echoes); nothing below is sent to it
///                             ◀───────────── PONG 0x50534D81: ours, with extension version 1
///   FULL psmigrate/guest      ─────────────▶ who comes, how big            (GuestAnnouncement)
///                             ◀───────────── ACCEPTED, or FAILURE and SHUT 1
///   START, PART … ram         ─────────────▶
///   SWITCHOVER_START          ─────────────▶ the source stands
///   END ram, FULL psmigrate/* and globalstate, EOF, VMDESCRIPTION
///                             ◀───────────── READY [digest]: all is loaded, nothing runs
///   RUN                       ─────────────▶ from here on the source never resumes by itself
///                             ◀───────────── RUNNING, SHUT 0
/// </code>
/// Before RUN any failure leaves the guest at the source. When the link breaks after RUN, the source connects anew, pings,
/// and sends QUERY_OUTCOME; a destination that has not yet seen RUN then gives the guest up for good before it answers.
/// </summary>
static class Handshake
{
    /// <summary>The first ping, as QEMU sends it.</summary>
    public const uint FirstPing = 1;

    /// <summary>"PSM", then the version of the extension in the low seven bits.</summary>
    public const uint ExtensionPing = 0x50534D00 | ExtensionVersion;

    /// <summary>The highest version of the extension that this end speaks.</summary>
    public const uint ExtensionVersion = 1;

    const uint ExtensionMask = 0xFFFFFF00;
    const uint AnswerBit = 0x80;

    /// <summary>What a destination of ours answers to a ping.</summary>
    public static uint Answer(uint ping) =>
        (ping & ExtensionMask) == (ExtensionPing & ExtensionMask) ? (ping & ExtensionMask) | AnswerBit | ExtensionVersion : ping;

    /// <summary>Whether the answer to <see cref="ExtensionPing"/> came from a destination of ours.</summary>
    public static bool IsOurAnswer(uint pong) =>
        (pong & ExtensionMask) == (ExtensionPing & ExtensionMask) && (pong & AnswerBit) != 0;
}
