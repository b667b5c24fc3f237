namespace PsMigrate.Engine.Protocol;

/// <summary>
/// How two ends of this project find each other, and what they then say beyond QEMU's stream.
/// <code>
/// source                                     destination
///   QEVM 3, CONFIGURATION "none"
///   OPEN_RETURN_PATH
///   PING 1                    ─────────────▶
///                             ◀───────────── PONG 1
///   PING 0x50534D07           ─────────────▶
///                             ◀───────────── PONG 0x50534D07: a QEMU (it echoes); nothing below is sent to it
///                             ◀───────────── PONG 0x50534D87: ours, with extension version 7
///   FULL psmigrate/guest      ─────────────▶ who comes, how big            (GuestAnnouncement)
///                             ◀───────────── ACCEPTED, or FAILURE and SHUT 1
///   START, PART … ram         ─────────────▶
///   SWITCHOVER_START          ─────────────▶ the source stands
///   END ram, FULL psmigrate/* and globalstate, EOF, VMDESCRIPTION
///                             ◀───────────── READY [digests]: all is loaded, nothing runs
///   RUN                       ─────────────▶ from here on the source never resumes by itself
///                             ◀───────────── RUNNING, SHUT 0
/// </code>
/// Before RUN any failure leaves the guest at the source. When the link breaks after RUN, the source connects anew, pings,
/// and sends QUERY_OUTCOME; a destination that has not yet seen RUN then gives the guest up for good before it answers.
/// <para>
/// Both ends keep to the lower of their versions, which each learns from the other's ping or pong. Version 1 is what is above. Version 2
/// adds three RAM records (<see cref="RamFlags.Run"/>), which are sent of a guest that was announced, over a link with a way back:
/// <code>
///   u64 offset|0x400|CONTINUE?[, name], u32 pages, pages × 4096 bytes    a run: pages that lie together
///   u64 offset|0x402|CONTINUE?[, name], u32 pages                        a run of zero pages
///   u64 offset|0x440|CONTINUE?[, name], u16 length, difference           a sparse page: its difference to a page of zeros
/// </code>
/// Why: with a record for each page, every page is copied into a block and out of it, at both ends; that, and not the link, then sets the
/// rate. A run is sent from where it lies and received to where it belongs, so that only the kernel copies. A run of zeros says in 12 bytes
/// what took 9 a page. A sparse page needs nothing that was sent before, where QEMU's difference needs the page itself. A run never leaves
/// its block, and is of 1 to 2^18 pages.
/// </para>
/// <para>
/// Version 3 adds postcopy. It is QEMU's, but for RUN, which is no part of the package: as in precopy the source holds the guest back until
/// all is loaded, and takes it back after any failure before that.
/// <code>
///   ADVISE                    ─────────────▶ before START ram: the guest may go over before its memory
///   SWITCHOVER_START, DISCARD … ───────────▶ the source stands; these pages come anew, or have never come
///   PACKAGED { LISTEN, FULL psmigrate/* and globalstate }
///                             ◀───────────── READY: the package is loaded, nothing runs
///   RUN                       ─────────────▶ from here on the source never resumes by itself
///                             ◀───────────── RUNNING
///                             ◀───────────── REQ_PAGES …: pages that the guest waits for
///   PART … END ram, EOF       ─────────────▶ each page once, requested ones first
///                             ◀───────────── POSTCOPY_FIGURES, SHUT 0
/// </code>
/// A further connection of a migration says which one it belongs to, and what it is for; a recovery, which takes the place of a main channel
/// that broke, goes on like QEMU's, and a preempt channel with page records alone.
/// <code>
///   QEVM 3, CONFIGURATION, OPEN_RETURN_PATH, PING 0x50534D07
///                             ◀───────────── PONG 0x50534D87
///   JOIN                      ─────────────▶ migration id, u8 purpose: 0 recovery, 1 preempt channel, 2 given up, 3 probe, 4 write rate
///                             ◀───────────── OUTCOME: Running, and it belongs to the migration; else nothing follows
///   RECV_BITMAP …             ─────────────▶ (a recovery)
///                             ◀───────────── RECV_BITMAP …
///   RESUME                    ─────────────▶
///                             ◀───────────── RESUME_ACK; requests that are still open come again
/// </code>
/// A recovery asks like QUERY_OUTCOME: of a guest that waits for RUN it is the end. When the migration still has a link, that is cut. Of one
/// that is over already Running is followed at once by its last words, once more: POSTCOPY_FIGURES and SHUT 0 when all pages had come, or
/// FAILURE and SHUT 1 when the guest was given up. A preempt channel belongs to a migration that was advised, and may join before RUN: Running
/// then says only that it does; anything else, and nothing was changed by the question. Its pages may come from LISTEN on. A source that was told to give a broken
/// postcopy up says so when it can: the destination waits no longer, and answers as a recovery of one that is over is answered.
/// </para>
/// <para>
/// Version 4 adds to the digest of RAM in READY one of what the destination holds of the guest besides: 16 bytes, of the announcement, each
/// vCPU and device as its section has it, and globalstate. Why: RAM with one wrong bit was seen before,
/// and a wrong register was not.
/// </para>
/// <para>
/// Version 5 has each multifd channel of an announced guest say in its first packet which migration it belongs to (<see cref="MultifdInit"/>).
/// The source says so before it knows who is there, for nobody else looks. Such a migration takes no channel that does not say its id. Why: channels
/// of an attempt that failed may still come or wait when the next one of the same guest begins, and by address and uuid they are as good as its own.
/// </para>
/// <para>
/// Version 6 adds the purpose of a probe, which belongs to no migration (its id is zero) and finds out what the link carries:
/// <code>
///   JOIN                      ─────────────▶ 16 zero bytes, u8 3
///                             ◀───────────── OUTCOME: Running, and bytes may come; Unknown: not now, and nothing follows
///   u32 length, bytes         ─────────────▶ bytes that mean nothing, at most 2^20 at a time; as often as the source likes
///   u32 0                     ─────────────▶
///                             ◀───────────── PONG 1: all before it was taken
/// </code>
/// The destination keeps none of the bytes, has one probe at a time, cuts it after some seconds, and gives probes a sixth of its time at most.
/// </para>
/// <para>
/// Version 7 adds the purpose of a question how fast a guest writes that has arrived, which the source asks once, half a second after the end:
/// <code>
///   JOIN                      ─────────────▶ migration id, u8 4
///                             ◀───────────── OUTCOME: Running, and the next message follows; Unknown, and nothing does
///                             ◀───────────── WRITE_RATE
/// </code>
/// Unlike the others it changes nothing, also of a guest that waits for RUN. Why: what a migration cost a guest shows in what it does there, beside what it
/// did before.
/// </para>
/// </summary>
static class Handshake
{
    /// <summary>The first ping, as QEMU sends it.</summary>
    public const uint FirstPing = 1;

    /// <summary>"PSM", then the version of the extension in the low seven bits.</summary>
    public const uint ExtensionPing = 0x50534D00 | ExtensionVersion;

    /// <summary>The highest version of the extension that this end speaks.</summary>
    public const uint ExtensionVersion = 7;

    /// <summary>The first version of the extension with runs of pages.</summary>
    public const uint RunVersion = 2;

    /// <summary>The first version of the extension in which a guest's announcement tells how many channels come.</summary>
    public const uint AnnouncedChannelsVersion = 2;

    /// <summary>The first version of the extension with postcopy, and with connections that join a migration.</summary>
    public const uint PostcopyVersion = 3;

    /// <summary>The first version of the extension in which READY can carry a digest of vCPUs and devices too.</summary>
    public const uint StateDigestVersion = 4;

    /// <summary>The first version of the extension in which each channel says which migration it belongs to.</summary>
    public const uint ChannelIdVersion = 5;

    /// <summary>The first version of the extension with probes.</summary>
    public const uint ProbeVersion = 6;

    /// <summary>The first version of the extension in which a destination tells how fast a guest writes that has arrived.</summary>
    public const uint WriteRateVersion = 7;

    /// <summary>The most bytes of one part of a probe.</summary>
    public const int MostProbeBytes = 1 << 20;

    const uint ExtensionMask = 0xFFFFFF00;
    const uint AnswerBit = 0x80;
    const uint VersionMask = 0x7F;

    /// <summary>What a destination of ours answers to a ping.</summary>
    public static uint Answer(uint ping) =>
        (ping & ExtensionMask) == (ExtensionPing & ExtensionMask) ? (ping & ExtensionMask) | AnswerBit | ExtensionVersion : ping;

    /// <summary>Whether the answer to <see cref="ExtensionPing"/> came from a destination of ours.</summary>
    public static bool IsOurAnswer(uint pong) =>
        (pong & ExtensionMask) == (ExtensionPing & ExtensionMask) && (pong & AnswerBit) != 0;

    /// <summary>The version that both ends keep to, by a ping or an answer of one of ours: the lower one; 0 with anybody else.</summary>
    public static uint AgreedVersion(uint word) =>
        (word & ExtensionMask) == (ExtensionPing & ExtensionMask) ? Math.Min(word & VersionMask, ExtensionVersion) : 0;
}
