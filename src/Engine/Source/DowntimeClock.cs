using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>Which part of the downtime; as in <see cref="DowntimeParts"/>.</summary>
enum DowntimePart
{
    Stop,
    FinalRam,
    State,
    Verify,
    Handover,
    Resume,
    Waiting,
}

/// <summary>Measures the downtime, one part after the other without a gap. Allocates nothing while it does.</summary>
sealed class DowntimeClock
{
    readonly long[] _parts = new long[(int)DowntimePart.Waiting + 1];
    long _since;

    /// <summary>All parts so far.</summary>
    public DowntimeParts Parts => new(
        Of(DowntimePart.Stop), Of(DowntimePart.FinalRam), Of(DowntimePart.State), Of(DowntimePart.Verify), Of(DowntimePart.Handover),
        Of(DowntimePart.Resume), Of(DowntimePart.Waiting));

    /// <summary>The guest is about to be stopped.</summary>
    public void Start() => _since = Stopwatch.GetTimestamp();

    /// <summary>This part has ended, and the next one begins.</summary>
    public void End(DowntimePart part)
    {
        var now = Stopwatch.GetTimestamp();
        _parts[(int)part] += now - _since;
        _since = now;
    }

    TimeSpan Of(DowntimePart part) => Stopwatch.GetElapsedTime(0, _parts[(int)part]);
}
