namespace PsMigrate.Engine.Model;

/// <summary>How a guest of ours is written to a file or a command. A captured guest is written as its QEMU sent it.</summary>
public enum GuestFileFormat
{
    /// <summary>QEMU's stream with sections of our own for vCPUs and devices: gives back the same guest. A QEMU refuses it.</summary>
    PsMigrate,

    /// <summary>RAM and run state only: a QEMU of machine none loads it, and so does Restore-MigrationGuest, without vCPUs.</summary>
    Qemu,
}

/// <summary>How RAM lies in a file.</summary>
public enum GuestFileLayout
{
    /// <summary>Page after page, as over a connection.</summary>
    Stream,

    /// <summary>QEMU's capability <c>mapped-ram</c> (9.0 and later): each page has its place, what is zero takes no room.</summary>
    MappedRam,
}
