using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>When the guest goes over, and what happens when that does not work at once.</summary>
public sealed partial class StartVmMigrationCommand
{
    /// <summary>When the guest goes over.</summary>
    [Parameter(HelpMessage = "When the guest goes over: after its memory (Precopy, the default), before it (Postcopy), or after -PostcopyAfter "
        + "passes, unless the rest was small enough before (Hybrid). In postcopy the end of either end loses what the guest did since.")]
    public MigrationMode Mode { get; set; }

    /// <summary>After how many passes.</summary>
    [Parameter(HelpMessage = "Go over to postcopy after so many passes over memory, 1 or more. 1 by default. It implies -Mode Hybrid.")]
    [ValidateRange(1, int.MaxValue)]
    public int PostcopyAfter { get; set; } = 1;

    /// <summary>Allow postcopy.</summary>
    [Parameter(HelpMessage = "Allow a QEMU to go over to postcopy with Switch-Migration, when it is at either end: the guest then runs at the "
        + "destination, and its memory follows. -Mode Postcopy and Hybrid imply it; between ends of this module it is always allowed. It is "
        + "also leave for the policy Adaptive to go over by itself where passes bring nothing more.")]
    [Alias("postcopy-ram")]
    public SwitchParameter Postcopy { get; set; }

    /// <summary>Urgent pages on a channel of their own.</summary>
    [Parameter(HelpMessage = "In postcopy, send pages that the guest waits for on a connection of their own. Needs -Postcopy or -Mode.")]
    [Alias("postcopy-preempt")]
    public SwitchParameter PostcopyPreempt { get; set; }

    /// <summary>What the link may carry in postcopy.</summary>
    [Parameter(HelpMessage = "Most bytes per second of what follows in postcopy unasked: a number (100MB), or text such as 1Gbit/s. No limit "
        + "by default.")]
    [Size(IsRate = true)]
    [Alias("max-postcopy-bandwidth")]
    public long MaxPostcopyBandwidth { get; set; }

    /// <summary>How often it starts over.</summary>
    [Parameter(HelpMessage = "How often a migration that failed for a reason that can pass, such as a broken link, starts over by itself; the guest "
        + "stays at the source meanwhile. In postcopy a migration whose link broke goes on by itself as often. 0 by default.")]
    [ValidateRange(0, MigrationParameters.MostRetries)]
    public int Retry { get; set; }

    /// <summary>After how long.</summary>
    [Parameter(HelpMessage = "How long to wait before each -Retry: a TimeSpan, text such as 500ms, or a number of seconds. 1 s by default.")]
    [Duration(BareNumber.Seconds)]
    public TimeSpan? RetryDelay { get; set; }

    /// <summary>Throws InvalidParameter for what excludes each other.</summary>
    MigrationParameters WithPostcopy(MigrationParameters parameters)
    {
        var mode = IsBound(nameof(PostcopyAfter)) && !IsBound(nameof(Mode)) ? MigrationMode.Hybrid : Mode;
        if (IsBound(nameof(PostcopyAfter)) && mode != MigrationMode.Hybrid)
            throw Invalid($"PostcopyAfter is for Mode Hybrid, and Mode is {mode}.");
        if (RetryDelay is not null && Retry == 0) throw Invalid("RetryDelay needs Retry: how often it may start over.");
        return parameters with
        {
            Mode = mode, PostcopyAfter = PostcopyAfter, Postcopy = Postcopy || mode != MigrationMode.Precopy, PostcopyPreempt = PostcopyPreempt,
            MaxPostcopyBandwidth = MaxPostcopyBandwidth, Retries = Retry, RetryDelay = RetryDelay ?? parameters.RetryDelay,
        };
    }

    static MigrationException Invalid(string message) => new(MigrationErrorId.InvalidParameter, MigrationSide.User, message);

    /// <summary>The same in words.</summary>
    static IEnumerable<string> PostcopyWays(MigrationParameters parameters)
    {
        if (parameters.Mode == MigrationMode.Postcopy) yield return "it goes over at once, and its memory follows; then there is no way back";
        if (parameters.Mode == MigrationMode.Hybrid)
            yield return $"it goes over after {Figures.Count(parameters.PostcopyAfter, "pass", "passes")}, and the rest of its memory follows; then there is no way back";
        if (parameters is { Mode: MigrationMode.Precopy, Postcopy: true }) yield return "it may go over to postcopy";
        if (parameters.Retries > 0)
            yield return $"when that can pass it starts over after a failure, up to {Figures.Count(parameters.Retries, "time")}, {Figures.Time(parameters.RetryDelay)} later";
    }
}
