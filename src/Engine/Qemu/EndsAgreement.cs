using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Whether two QEMUs can be the ends of one migration, as far as they tell before it: what QEMU itself would only find in the middle of
/// the stream, with the destination's reason on its standard error. Pure.
/// </summary>
static class EndsAgreement
{
    /// <summary>What differs, each in a sentence; empty when nothing speaks against it.</summary>
    public static string[] Differences(QemuIdentity source, QemuIdentity destination, MigrationParameters asked)
    {
        var found = new List<string>();
        Compare(found, "machine type", source.MachineType, destination.MachineType);
        Compare(found, "RAM", Size(source.RamSize), Size(destination.RamSize));
        Compare(found, "number of vCPUs", source.CpuCount, destination.CpuCount);
        if (source.Uuid is not null && destination.Uuid is not null) Compare(found, "uuid", source.Uuid, destination.Uuid);
        else if (asked.ValidateUuid && source.Uuid != destination.Uuid)
            found.Add($"the uuid is {source.Uuid?.ToString() ?? "not set"} at the source and {destination.Uuid?.ToString() ?? "not set"} at the destination");
        // A machine without a version in its name is whatever the binary makes of it.
        if (source.Version is { } from && destination.Version is { } to && (from.Major, from.Minor) != (to.Major, to.Minor)
            && source.MachineType is { } machine && machine != "none" && !machine.Any(char.IsAsciiDigit))
            found.Add($"the machine {machine} has no version, and QEMU {from} and {to} make different ones of it");
        return [.. found];
    }

    /// <summary>Throws EndsDisagree unless they agree.</summary>
    public static void Check(QemuIdentity source, QemuIdentity destination, MigrationParameters asked)
    {
        var found = Differences(source, destination, asked);
        if (found.Length > 0)
            throw new MigrationException(MigrationErrorId.EndsDisagree, MigrationSide.Destination,
                $"The two QEMUs do not fit together: {string.Join("; ", found)}.");
    }

    // As in -m.
    static string? Size(long? bytes) => bytes switch
    {
        null => null,
        { } whole when whole % (1 << 20) == 0 => $"{whole >> 20} MB",
        { } odd => $"{odd} bytes",
    };

    static void Compare<T>(List<string> found, string what, T? source, T? destination)
    {
        // What one end does not tell is no difference.
        if (source is null || destination is null || source.Equals(destination)) return;
        found.Add($"the {what} is {source} at the source and {destination} at the destination");
    }
}
