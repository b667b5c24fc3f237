using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Commands;

/// <summary>What QEMU's own sender can do. QEMU's names are aliases.</summary>
public sealed partial class StartVmMigrationCommand
{
    /// <summary>The QEMU at the other end.</summary>
    [Parameter(HelpMessage = "QMP address of the QEMU at the destination, unix:PATH or tcp:HOST:PORT, or its guest: it is checked, prepared "
        + "and told to listen, and runs the guest only once the source has given it up.")]
    [QmpAddress]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(QmpAddressCompleter))]
    public string? DestinationQmp { get; set; }

    /// <summary>multifd.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "Send memory over so many connections at a time, 1 to 255 (multifd).")]
    [Alias("multifd-channels")]
    public int Channels { get; set; }

    /// <summary>What is at the other end of the channels.</summary>
    [Parameter(HelpMessage = "What is at the destination of a guest that this process sends: PsMigrate, or the release of a QEMU, such as "
        + "10.0. Needed for -Channels, unless -DestinationQmp tells, or the destination is in this process.")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(PeerVersionCompleter))]
    public string? PeerVersion { get; set; }

    /// <summary>How the channels compress.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "How the channels compress: None, Zlib or Zstd. Needs -Channels.")]
    [Alias("multifd-compression")]
    public MigrationCompression Compression { get; set; }

    /// <summary>How hard.</summary>
    [Parameter(HelpMessage = "Level of the compression: 0 to 9 for Zlib, -100 to 20 for Zstd (0 to 20 for guests of a QEMU). 1 by default.")]
    [Alias("multifd-zlib-level", "multifd-zstd-level")]
    public int? CompressionLevel { get; set; }

    /// <summary>Differences instead of pages.</summary>
    [Parameter(HelpMessage = "Send what changed in a page that was sent before, instead of the page.")]
    public SwitchParameter Xbzrle { get; set; }

    /// <summary>For which it needs the pages as they were.</summary>
    [Parameter(HelpMessage = "Memory at the source for the pages as they were sent: a power of two of bytes. 64 MB by default.")]
    [Size]
    [Alias("xbzrle-cache-size")]
    public long XbzrleCacheSize { get; set; }

    /// <summary>No way back.</summary>
    [Parameter(HelpMessage = "Do without the way back, on which the destination says that it has all: the source then calls a migration "
        + "completed that failed there.")]
    public SwitchParameter NoReturnPath { get; set; }

    /// <summary>Only the same guest.</summary>
    [Parameter(HelpMessage = "The destination takes the guest only where it has the same uuid.")]
    [Alias("validate-uuid")]
    public SwitchParameter ValidateUuid { get; set; }

    MigrationParameters WithQemu(MigrationParameters parameters) => (PeerVersion is null ? parameters : parameters.WithPeer(PeerVersion)) with
    {
        DestinationQmp = DestinationQmp, Channels = Channels, Compression = Compression, CompressionLevel = CompressionLevel, Xbzrle = Xbzrle,
        XbzrleCacheSize = XbzrleCacheSize,
        ReturnPath = !NoReturnPath, ValidateUuid = ValidateUuid,
    };

    /// <summary>The same in words.</summary>
    static IEnumerable<string> Ways(Guest guest, MigrationParameters parameters)
    {
        if (parameters.DestinationQmp is { } qmp) yield return $"the QEMU at {qmp} is {(guest is QemuGuest ? "prepared for it" : "asked how it is set")}";
        if (parameters.PeerVersion is { } release) yield return $"the destination is a QEMU {release}";
        if (parameters.Means == MigrationMeans.Qemu && guest is MemoryGuest) yield return "no means are chosen but those asked for";
        if (parameters.Channels > 0)
            yield return $"it goes over {Figures.Count(parameters.Channels, "channel")}"
                + (parameters.Compression == MigrationCompression.None ? "" : $", compressed with {parameters.Compression.ToString().ToLowerInvariant()}");
        if (parameters.Xbzrle) yield return "pages that were sent before go as differences";
        foreach (var way in PolicyWays(guest, parameters)) yield return way;
        foreach (var way in PostcopyWays(parameters)) yield return way;
        if (!parameters.ReturnPath) yield return "the destination can't say whether it has all";
    }
}
