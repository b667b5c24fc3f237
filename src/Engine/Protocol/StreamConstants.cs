namespace PsMigrate.Engine.Protocol;

/// <summary>The numbers of QEMU's migration stream (migration/savevm.h, ram.c, migration.h). All integers are big-endian.</summary>
static class StreamConstants
{
    /// <summary>"QEVM", the first four bytes of the main channel.</summary>
    public const uint Magic = 0x5145564D;

    /// <summary>The only stream version in use.</summary>
    public const uint Version = 3;

    /// <summary>The machine type of a guest without devices of its own; what our streams name.</summary>
    public const string MachineNone = "none";

    /// <summary>The section that carries RAM, and its version.</summary>
    public const string RamSection = "ram";

    public const uint RamVersion = 4;

    /// <summary>A name on the wire has one byte of length.</summary>
    public const int MaxName = 255;

    /// <summary>A return path message is at most this long.</summary>
    public const int MaxReturnPathLength = 512;

    /// <summary>The longest description that is accepted; real ones are under 100 KiB.</summary>
    public const int MaxDescription = 4 << 20;
}

/// <summary>The first byte of each record of the main channel.</summary>
enum RecordType : byte
{
    Eof = 0x00,
    SectionStart = 0x01,
    SectionPart = 0x02,
    SectionEnd = 0x03,
    SectionFull = 0x04,
    Subsection = 0x05,
    VmDescription = 0x06,
    Configuration = 0x07,
    Command = 0x08,
    Footer = 0x7E,
}

/// <summary>Commands to the destination (enum qemu_vm_cmd), then those of our extension.</summary>
enum CommandType : ushort
{
    Invalid = 0,
    OpenReturnPath = 1,
    Ping = 2,
    PostcopyAdvise = 3,
    PostcopyListen = 4,
    PostcopyRun = 5,
    PostcopyRamDiscard = 6,
    Packaged = 7,
    EnableColo = 8,
    PostcopyResume = 9,
    ReceiveBitmap = 10,
    SwitchoverStart = 11,

    /// <summary>Extension: the destination may run the guest. No payload.</summary>
    Run = 0x5001,

    /// <summary>Extension: what became of a migration? 16 bytes, its id.</summary>
    QueryOutcome = 0x5002,

    /// <summary>Extension, version 3: this connection belongs to a migration that is under way: 16 bytes, its id, u8 what it is for.</summary>
    Join = 0x5003,
}

/// <summary>Messages on the return path (enum mig_rp_message_type), then those of our extension.</summary>
enum ReturnPathType : ushort
{
    Invalid = 0,
    Shut = 1,
    Pong = 2,
    RequestPagesId = 3,
    RequestPages = 4,
    ReceiveBitmap = 5,
    ResumeAck = 6,
    SwitchoverAck = 7,

    /// <summary>Extension: the announced guest is welcome. No payload.</summary>
    Accepted = 0x5001,

    /// <summary>Extension: why the destination gives up: u16 error id, UTF-8 text. SHUT follows.</summary>
    Failure = 0x5002,

    /// <summary>Extension: all is loaded: 16 bytes of receiver instance, then nothing, 16 bytes of RAM digest, or these and 16 of the digest of the rest.</summary>
    Ready = 0x5003,

    /// <summary>Extension: the guest runs here: u64 nanoseconds that its start took.</summary>
    Running = 0x5004,

    /// <summary>Extension: answer to QueryOutcome: 16 bytes of receiver instance, u8 outcome.</summary>
    Outcome = 0x5005,

    /// <summary>Extension, version 3, right before SHUT of a postcopy: what it cost the guest (PostcopyFigures).</summary>
    PostcopyFigures = 0x5006,

    /// <summary>Extension, version 7: what a guest writes that has arrived: u64 bytes per second; all ones where it stands, or has not run for long enough.</summary>
    WriteRate = 0x5007,
}

/// <summary>The low 12 bits of a RAM record's first word (RAM_SAVE_FLAG_*).</summary>
static class RamFlags
{
    public const ulong Mask = 0xFFF;
    public const ulong Zero = 0x002;
    public const ulong MemSize = 0x004;
    public const ulong Page = 0x008;
    public const ulong Eos = 0x010;
    public const ulong Continue = 0x020;
    public const ulong Xbzrle = 0x040;
    public const ulong Hook = 0x080;
    public const ulong CompressPage = 0x100;
    public const ulong MultifdFlush = 0x200;

    /// <summary>
    /// Extension, of version 2: pages that lie together, so many of them (u32), then their bytes; with Zero pages of zeros, and nothing
    /// more; with Xbzrle one page, as a difference (u16 length, then the difference) to a page of zeros. See <see cref="Handshake"/>.
    /// </summary>
    public const ulong Run = 0x400;

    /// <summary>
    /// The most pages that one record of the extension stands for: 1 GiB. Behind each record a receiver can be broken off, and a few
    /// bytes never keep it busy for long.
    /// </summary>
    public const int MaxRun = 1 << 18;
}
