using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>Sections beside RAM that QEMU sends while the guest runs. They have no lengths, so that nobody can pass over one.</summary>
static class LiveSections
{
    /// <summary>UnsupportedFeature with what to switch off for one of QEMU's; UnknownSection for any other.</summary>
    public static MigrationException Refuse(WireReader reader, SectionHeader section) => Remedy(section.Name) is { } remedy
        ? reader.Error(MigrationErrorId.UnsupportedFeature, $"Section '{Printable.Text(section.Name)}' can't be received: {remedy}")
        : reader.Error(MigrationErrorId.UnknownSection, $"Section '{Printable.Text(section.Name)}' instance {section.Instance} is not known here.");

    static string? Remedy(string name) => name switch
    {
        "dirty-bitmap" => "switch the capability dirty-bitmaps off at the source.",
        "block" => "migrate without -b and -i; copy the disks by drive-mirror or share them.",
        "slirp" => "replace the network user by another one at the source.",
        _ when name == "vfio" || name.EndsWith("/vfio", StringComparison.Ordinal) => "unplug the VFIO device at the source before the migration.",
        _ => null,
    };
}
