using System.Management.Automation.Runspaces;

namespace PsMigrate.Shell;

/// <summary>Turns the arguments after a script's name into parameters of the script, by the rules of <c>pwsh -File</c>.</summary>
static class ScriptArguments
{
    /// <summary>Adds <paramref name="arguments"/> to <paramref name="script"/>.</summary>
    public static void AddTo(Command script, string[] arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            var argument = arguments[i];
            if (!IsParameter(argument))
            {
                script.Parameters.Add(new CommandParameter(null, argument));
                continue;
            }

            var colon = argument.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0)
            {
                // With its dash and without a value this is a token, as if typed: the binder, which knows the script's
                // parameters, decides whether it is a switch or takes the next argument.
                script.Parameters.Add(new CommandParameter(argument));
            }
            else if (colon < argument.Length - 1)
            {
                script.Parameters.Add(new CommandParameter(argument[..colon], Value(argument[(colon + 1)..])));
            }
            else
            {
                // `-Name:` takes what follows, even if that looks like a parameter.
                i++;
                script.Parameters.Add(new CommandParameter(argument[..colon], i < arguments.Length ? arguments[i] : null));
            }
        }
    }

    // A number such as -5 is a value.
    static bool IsParameter(string argument) =>
        argument.Length > 1 && argument[0] == '-' && (char.IsLetter(argument[1]) || argument[1] is '_' or '?');

    // A switch can't be given the text "$false"; these two are what a user means.
    static object Value(string text) => text.ToUpperInvariant() switch
    {
        "$TRUE" or "TRUE" => true,
        "$FALSE" or "FALSE" => false,
        _ => text,
    };
}
