namespace PsMigrate.Shell;

/// <summary>What the shell was asked to do.</summary>
enum ShellMode
{
    /// <summary>Read, evaluate and print at a terminal until <c>exit</c>.</summary>
    Prompt,

    /// <summary>Run the text given with <c>-Command</c>.</summary>
    Command,

    /// <summary>Run a script file with its arguments.</summary>
    File,

    /// <summary>Run the script that comes from standard input.</summary>
    StandardInput,

    /// <summary>Print the versions.</summary>
    Version,

    /// <summary>Print the usage.</summary>
    Help,
}

/// <summary>The command line, understood.</summary>
sealed record CommandLine(ShellMode Mode, string Text, string[] Arguments, bool NoLogo, bool NonInteractive)
{
    public const string Usage = """
        psmigrate: PowerShell with the PsMigrate module loaded

          psmigrate                                   a prompt (or the script on standard input)
          psmigrate [-File] SCRIPT.ps1 [ARGUMENTS]    run a script; -Name value, -Switch and -Name:value bind as in pwsh
          psmigrate -Command TEXT                     run TEXT (all that follows is part of it)

          -NoLogo           no banner before the prompt
          -NonInteractive   a question fails instead of being asked
          -NoProfile        accepted for pwsh's sake; there is no profile
          -Version, -Help

        Exit codes: that of `exit n`; 1 after a terminating error (with -Command: when the last statement failed);
        64 for a wrong command line or a missing script; 130 after Ctrl+C; 143 after SIGTERM.
        PSMIGRATE_MODULE names another PsMigrate.psd1, or its folder, to load.
        """;

    // The shortest accepted form of each option, as pwsh has it.
    static readonly (string Name, string Shortest)[] Options =
    [
        ("command", "c"), ("file", "f"), ("help", "h"), ("nologo", "nol"), ("noninteractive", "noni"), ("noprofile", "nop"),
        ("version", "v"), ("?", "?"),
    ];

    /// <summary>Reads the process's arguments.</summary>
    /// <exception cref="UsageException">They can't be understood; the message says which one.</exception>
    public static CommandLine Parse(string[] arguments, bool inputIsRedirected)
    {
        var line = new CommandLine(inputIsRedirected ? ShellMode.StandardInput : ShellMode.Prompt, "", [], false, false);
        for (var i = 0; i < arguments.Length; i++)
        {
            var argument = arguments[i];
            if (argument == "-")
                return line with { Mode = ShellMode.StandardInput };
            if (!argument.StartsWith('-'))
                return line.ForFile(argument, arguments[(i + 1)..]);
            switch (OptionName(argument))
            {
                case "nologo":
                    line = line with { NoLogo = true };
                    break;
                case "noninteractive":
                    line = line with { NonInteractive = true };
                    break;
                case "noprofile":
                    break;
                case "version":
                    return line with { Mode = ShellMode.Version };
                case "help" or "?":
                    return line with { Mode = ShellMode.Help };
                case "file":
                    if (i + 1 == arguments.Length)
                        throw new UsageException("-File needs the path of a script.");
                    return arguments[i + 1] == "-" ? line with { Mode = ShellMode.StandardInput } : line.ForFile(arguments[i + 1], arguments[(i + 2)..]);
                case "command":
                    if (i + 1 == arguments.Length)
                        throw new UsageException("-Command needs the text to run.");
                    return arguments[i + 1] == "-"
                        ? line with { Mode = ShellMode.StandardInput }
                        : line with { Mode = ShellMode.Command, Text = string.Join(' ', arguments[(i + 1)..]) };
                default:
                    throw new UsageException($"The option '{argument}' is not known.");
            }
        }
        return line;
    }

    CommandLine ForFile(string path, string[] arguments)
    {
        var full = Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new UsageException($"'{path}' is a folder, not a script.", showUsage: false);
        if (!File.Exists(full))
            throw new UsageException($"The script '{path}' does not exist.", showUsage: false);
        if (!full.EndsWith(".ps1", StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"'{path}' is not a PowerShell script: its name does not end in .ps1.", showUsage: false);
        return this with { Mode = ShellMode.File, Text = full, Arguments = arguments };
    }

    static string? OptionName(string argument)
    {
        var given = argument.TrimStart('-').ToLowerInvariant();
        foreach (var (name, shortest) in Options)
        {
            if (given.StartsWith(shortest, StringComparison.Ordinal) && name.StartsWith(given, StringComparison.Ordinal))
                return name;
        }
        return null;
    }
}

/// <summary>The command line can't be understood.</summary>
sealed class UsageException(string message, bool showUsage = true) : Exception(message)
{
    /// <summary>Whether the usage would help: not where only a file is missing.</summary>
    public bool ShowUsage => showUsage;
}
