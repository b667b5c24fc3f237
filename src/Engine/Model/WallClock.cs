namespace PsMigrate.Engine.Model;

/// <summary>
/// The time of day, for what records show and for the dates of certificates and revocation lists. It may be set while a migration runs, so
/// no duration, no limit and no order comes from it: those are counted from where a <see cref="System.Diagnostics.Stopwatch"/> stood.
/// </summary>
static class WallClock
{
    /// <summary>Where it comes from. A test puts one that is set back and forth.</summary>
    public static TimeProvider Provider { get; set; } = TimeProvider.System;

    /// <summary>The time, UTC.</summary>
    public static DateTime Now => Provider.GetUtcNow().UtcDateTime;
}
