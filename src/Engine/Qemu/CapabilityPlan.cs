using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>What a QEMU has and how it is set, as it says itself.</summary>
sealed record EndPresent(QemuCapabilities Capabilities, QemuParameters Parameters, QemuIdentity Identity)
{
    /// <summary>Asks a QEMU. Throws what <see cref="QmpClient.Execute"/> throws.</summary>
    public static EndPresent Query(QmpClient client) =>
        new(QemuCapabilities.Query(client), QemuParameters.Query(client), QemuIdentity.Query(client));
}

/// <summary>
/// From what the user asks for to the settings of the two QEMUs. A capability that was on and is not asked for is switched off: it
/// would change the stream. Pure; throws UnsupportedByQemu before anything is changed.
/// </summary>
static class CapabilityPlan
{
    // Neither changes what is sent: they count, notify, or are about disks.
    static readonly string[] LeftAlone = ["events", "postcopy-blocktime", "late-block-activate", "dirty-bitmaps", "rdma-pin-all"];

    const string Before = "It was on from before, and this migration was not asked to use it.";

    /// <summary>For the QEMU that sends.</summary>
    public static EndSettings ForSource(MigrationParameters asked, EndPresent present)
    {
        Check(asked, present, MigrationSide.Source);
        var settings = Capabilities(Both(asked).Concat(SourceOnly(asked)), present, MigrationSide.Source);
        var (known, to) = (present.Parameters, settings);
        to.Set("downtime-limit", known.Number("downtime-limit"), EndSettings.Milliseconds(asked.MaxDowntime));
        to.Set("max-bandwidth", known.Number("max-bandwidth"), asked.MaxBandwidth,
            asked.MaxBandwidth == 0 ? "No limit was asked for; -MaxBandwidth sets one." : null);
        if (known.Has("avail-switchover-bandwidth"))
            to.Set("avail-switchover-bandwidth", known.Number("avail-switchover-bandwidth"), asked.SwitchoverBandwidth);
        else if (asked.SwitchoverBandwidth > 0)
            throw QemuFeatures.NoParameter("avail-switchover-bandwidth", present.Identity.Version, MigrationSide.Source);
        if (asked.Postcopy) to.Set("max-postcopy-bandwidth", known.Number("max-postcopy-bandwidth"), asked.MaxPostcopyBandwidth);
        if (asked.Xbzrle && asked.XbzrleCacheSize > 0) to.Set("xbzrle-cache-size", known.Number("xbzrle-cache-size"), asked.XbzrleCacheSize);
        if (Throttles(asked)) Throttle(asked, known, to);
        if (DrivenPolicy.Steers(asked)) ThrottleSteering.Begin(known, to);
        if (Limits(asked)) to.Set("vcpu-dirty-limit", known.Number("vcpu-dirty-limit"), asked.VcpuDirtyLimit >> 20);
        Channels(asked, known, to);
        return settings;
    }

    /// <summary>For the QEMU that receives.</summary>
    public static EndSettings ForDestination(MigrationParameters asked, EndPresent present)
    {
        Check(asked, present, MigrationSide.Destination);
        var settings = Capabilities(Both(asked), present, MigrationSide.Destination);
        Channels(asked, present.Parameters, settings);
        return settings;
    }

    static void Check(MigrationParameters asked, EndPresent present, MigrationSide side)
    {
        if (asked.Postcopy && asked.Channels > 0 && present.Identity.Version < QemuFeatures.PostcopyWithMultifd)
            throw QemuFeatures.TooOld("postcopy together with channels", QemuFeatures.PostcopyWithMultifd, present.Identity.Version, side);
    }

    static IEnumerable<string> Both(MigrationParameters asked)
    {
        yield return "events";
        if (asked.Channels > 0) yield return "multifd";
        if (asked.Postcopy) yield return "postcopy-ram";
        if (asked.PostcopyPreempt) yield return "postcopy-preempt";
    }

    static IEnumerable<string> SourceOnly(MigrationParameters asked)
    {
        if (asked.ReturnPath) yield return "return-path";
        if (asked.PauseBeforeSwitchover) yield return "pause-before-switchover";
        if (asked.ValidateUuid) yield return "validate-uuid";
        if (asked.Xbzrle) yield return "xbzrle";
        if (Throttles(asked) || DrivenPolicy.Steers(asked)) yield return "auto-converge";
        if (Limits(asked)) yield return "dirty-limit";
    }

    /// <summary>Whether auto-converge decides by itself.</summary>
    public static bool Throttles(MigrationParameters asked) => DrivenPolicy.Has(asked, PolicyActionKind.AutoConverge);

    static bool Limits(MigrationParameters asked) => DrivenPolicy.Has(asked, PolicyActionKind.DirtyLimit);

    static EndSettings Capabilities(IEnumerable<string> wanted, EndPresent present, MigrationSide side)
    {
        var settings = new EndSettings();
        var on = wanted.ToArray();
        var (capabilities, version) = (present.Capabilities, present.Identity.Version);
        // Off first: of two that exclude each other the old one must not stand in the way, even where QEMU looks one by one.
        foreach (var name in capabilities.Names.Where(name => capabilities.IsOn(name) && !on.Contains(name) && !LeftAlone.Contains(name)))
            settings.Switch(name, false, Before);
        foreach (var name in on)
        {
            if (!capabilities.IsKnown(name)) throw QemuFeatures.NoCapability(name, version, side);
            if (!capabilities.IsOn(name)) settings.Switch(name, true);
        }
        return settings;
    }

    static void Throttle(MigrationParameters asked, QemuParameters known, EndSettings to)
    {
        if (asked.ThrottleInitial is { } first) to.Set("cpu-throttle-initial", known.Number("cpu-throttle-initial"), first);
        if (asked.ThrottleIncrement is { } step) to.Set("cpu-throttle-increment", known.Number("cpu-throttle-increment"), step);
        if (asked.ThrottleTrigger is { } trigger) to.Set("throttle-trigger-threshold", known.Number("throttle-trigger-threshold"), trigger);
        if (asked.ThrottleTailslow) to.Set("cpu-throttle-tailslow", known.Flag("cpu-throttle-tailslow"), true);
        if (asked.MaxThrottle is not { } most) return;
        // QEMU takes no maximum below the first step.
        if (asked.ThrottleInitial is null && known.Number("cpu-throttle-initial") is { } initial && initial > most)
            to.Set("cpu-throttle-initial", initial, most, "QEMU's first step must not be above the maximum asked for.");
        to.Set("max-cpu-throttle", known.Number("max-cpu-throttle"), most);
    }

    /// <summary>What QEMU's own ways to slow the guest down go by from now on, of a migration that runs: the arguments of migrate-set-parameters.</summary>
    public static JsonObject Throttle(MigrationLimits limits, MigrationParameters changed, QemuParameters? known)
    {
        var to = new JsonObject();
        if (Limits(changed) && limits.VcpuDirtyLimit is { } quota) to["vcpu-dirty-limit"] = quota >> 20;
        if (!Throttles(changed)) return to;
        if (limits.MaxThrottle is { } most)
        {
            to["max-cpu-throttle"] = most;
            // QEMU takes no maximum below the first step.
            to["cpu-throttle-initial"] = Math.Min(changed.ThrottleInitial ?? known?.Number("cpu-throttle-initial") ?? 20, most);
        }
        if (limits.ThrottleInitial is { } first) to["cpu-throttle-initial"] = first;
        if (limits.ThrottleIncrement is { } step) to["cpu-throttle-increment"] = step;
        if (limits.ThrottleTailslow is { } slow) to["cpu-throttle-tailslow"] = slow;
        if (limits.ThrottleTrigger is { } trigger) to["throttle-trigger-threshold"] = trigger;
        return to;
    }

    static void Channels(MigrationParameters asked, QemuParameters known, EndSettings to)
    {
        if (asked.Channels == 0) return;
        if (asked.CompressionLevel < 0)
            throw MigrationException.Invalid($"A QEMU compresses at levels 0 to 20, and CompressionLevel is {asked.CompressionLevel}: zstd's fast levels are for guests of this process.");
        var method = asked.Compression.ToString().ToLowerInvariant();
        to.Set("multifd-channels", known.Number("multifd-channels"), asked.Channels);
        to.Set("multifd-compression", known.Text("multifd-compression"), method);
        if (asked.CompressionLevel is { } level && asked.Compression != MigrationCompression.None)
            to.Set($"multifd-{method}-level", known.Number($"multifd-{method}-level"), level);
    }
}
