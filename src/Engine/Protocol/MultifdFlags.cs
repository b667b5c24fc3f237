namespace PsMigrate.Engine.Protocol;

/// <summary>The flags of a multifd packet (MULTIFD_FLAG_* of migration/multifd.h).</summary>
static class MultifdFlags
{
    /// <summary>The channel has sent all that belongs before the next mark of the main stream.</summary>
    public const uint Sync = 1 << 0;

    /// <summary>The bits that name the compression method.</summary>
    public const uint MethodMask = 0x1F << 1;

    /// <summary>A device's state instead of pages; only VFIO has such.</summary>
    public const uint DeviceState = 1 << 6;

    /// <summary>All that is known.</summary>
    public const uint Known = Sync | MethodMask | DeviceState;
}

/// <summary>How the pages of a packet are compressed, as the bits of the flags.</summary>
enum MultifdMethod : uint
{
    None = 0 << 1,
    Zlib = 1 << 1,
    Zstd = 2 << 1,
    Qpl = 4 << 1,
    Uadk = 8 << 1,
    Qatzip = 16 << 1,
}
