namespace PsMigrate.Shell;

/// <summary>The exit codes that do not come from a script.</summary>
static class ExitCodes
{
    public const int Success = 0;
    public const int Failed = 1;

    /// <summary>EX_USAGE of sysexits.h, as pwsh uses it for a wrong command line or a missing script.</summary>
    public const int Usage = 64;

    /// <summary>128 + SIGHUP.</summary>
    public const int HungUp = 129;

    /// <summary>128 + SIGINT.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGTERM.</summary>
    public const int Terminated = 143;
}
