using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>By what means pages would go, as for Start-VmMigration.</summary>
public sealed partial class TestVmMigrationCommand
{
    /// <summary>Who would choose how pages go.</summary>
    [Parameter(HelpMessage = "By what means the memory of a guest of this module would go, as for Start-VmMigration: Adaptive (the default), or Qemu, which is "
        + "what is asked for and nothing else.")]
    public MigrationMeans Means { get; set; }

    /// <summary>Multifd channels.</summary>
    [Parameter(HelpMessage = "Further connections that would carry the pages (multifd), as for Start-VmMigration. 0 by default.")]
    [Alias("multifd-channels")]
    public int Channels { get; set; }

    /// <summary>How channels would compress.</summary>
    [Parameter(HelpMessage = "How the channels would compress: None, Zlib or Zstd. Needs -Channels.")]
    [Alias("multifd-compression")]
    public MigrationCompression Compression { get; set; }

    /// <summary>Differences of pages that went before.</summary>
    [Parameter(HelpMessage = "Pages that went before would go as what changed in them (XBZRLE), from the second pass on.")]
    public SwitchParameter Xbzrle { get; set; }

    MigrationParameters Parameters()
    {
        var parameters = new MigrationParameters { MaxBandwidth = MaxBandwidth, Means = Means, Channels = Channels, Compression = Compression, Xbzrle = Xbzrle };
        return MaxDowntime is { } downtime ? parameters with { MaxDowntime = downtime } : parameters;
    }
}
