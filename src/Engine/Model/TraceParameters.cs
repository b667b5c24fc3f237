using System.Text.Json;

namespace PsMigrate.Engine.Model;

/// <summary>What was asked for of a migration whose trace is read: what makes a difference to a replay, and nothing else.</summary>
static class TraceParameters
{
    static readonly string[] Known =
    [
        "policy", "observeOnly", "maxDowntime", "maxBandwidth", "switchoverBandwidth", "maxPostcopyBandwidth", "timeout", "onTimeout", "maxThrottle",
        "throttleInitial", "throttleIncrement", "throttleTailslow", "throttleTrigger", "vcpuDirtyLimit", "mode", "postcopyAfter", "postcopy", "means",
        "xbzrle", "channels", "compression",
    ];

    /// <summary>Throws InvalidTrace, also for a policy or a combination that can't be.</summary>
    public static MigrationParameters Read(JsonElement element)
    {
        try
        {
            return Read(new TraceFields(element, "parameters", Known)).Validate();
        }
        catch (MigrationException e) when (e.Id != MigrationErrorId.InvalidTrace)
        {
            throw MigrationTrace.Invalid("parameters", e.Message);
        }
    }

    static MigrationParameters Read(TraceFields fields) => new()
    {
        RecordTrace = true,
        Policy = MigrationPolicy.FromJson(fields.Element("policy").GetRawText()), ObserveOnly = fields.Flag("observeOnly"),
        MaxDowntime = fields.Seconds("maxDowntime"), MaxBandwidth = fields.Count("maxBandwidth"), SwitchoverBandwidth = fields.Count("switchoverBandwidth"),
        MaxPostcopyBandwidth = fields.Count("maxPostcopyBandwidth"),
        Timeout = fields.Has("timeout") ? fields.Seconds("timeout") : null, OnTimeout = fields.Name<TimeoutAction>("onTimeout"),
        MaxThrottle = Percent(fields, "maxThrottle"), ThrottleInitial = Percent(fields, "throttleInitial"), ThrottleIncrement = Percent(fields, "throttleIncrement"),
        ThrottleTailslow = fields.Flag("throttleTailslow"), ThrottleTrigger = Percent(fields, "throttleTrigger"), VcpuDirtyLimit = fields.Count("vcpuDirtyLimit"),
        Mode = fields.Name<MigrationMode>("mode"), PostcopyAfter = (int)fields.Count("postcopyAfter", 1, int.MaxValue), Postcopy = fields.Flag("postcopy"),
        Means = fields.Name<MigrationMeans>("means"), Xbzrle = fields.Flag("xbzrle"), Channels = (int)fields.Count("channels", 0, 255),
        Compression = fields.Name<MigrationCompression>("compression"),
    };

    // Not given is QEMU's, which is written down elsewhere.
    static int? Percent(TraceFields fields, string name) => fields.Has(name) ? (int)fields.Count(name, 0, 100) : null;
}
