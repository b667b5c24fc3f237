using System.Collections.ObjectModel;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;
using System.Text;

namespace PsMigrate.Shell.Host;

// The questions. Each fails at once where nobody can answer, so that an unattended script ends with an error instead of waiting.
sealed partial class ShellUserInterface
{
    /// <inheritdoc/>
    public override string ReadLine()
    {
        RequireUser();
        // The end of the input is an empty answer, as in pwsh.
        return console.ReadLine() ?? "";
    }

    /// <inheritdoc/>
    public override SecureString ReadLineAsSecureString()
    {
        RequireUser();
        var secret = new SecureString();
        while (true)
        {
            var key = console.ReadKey();
            if (key.Key == ConsoleKey.Enter)
                break;
            if (key.Key == ConsoleKey.Backspace && secret.Length > 0)
            {
                secret.RemoveAt(secret.Length - 1);
                console.Out("\b \b");
            }
            else if (!char.IsControl(key.KeyChar))
            {
                secret.AppendChar(key.KeyChar);
                console.Out("*");
            }
        }
        WriteLine();
        secret.MakeReadOnly();
        return secret;
    }

    /// <inheritdoc/>
    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions)
    {
        RequireUser();
        Introduce(caption, message);
        var answers = new Dictionary<string, PSObject>();
        foreach (var field in descriptions)
            answers[field.Name] = PSObject.AsPSObject(Ask(field));
        return answers;
    }

    /// <inheritdoc/>
    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        RequireUser();
        Introduce(caption, message);
        var options = choices.Select(SplitLabel).ToArray();
        while (true)
        {
            foreach (var (key, text) in options)
                Write($"[{key}] {text}  ");
            Write(defaultChoice >= 0 ? $"[?] Help (default is \"{options[defaultChoice].Key}\"): " : "[?] Help: ");
            var answer = console.ReadLine()?.Trim();
            // The end of the input can't say yes.
            if (answer is null)
                throw new PSInvalidOperationException("The question was not answered: the input ended.");
            if (answer.Length == 0 && defaultChoice >= 0)
                return defaultChoice;
            var chosen = Array.FindIndex(options, option => Same(option.Key, answer) || Same(option.Text, answer));
            if (chosen >= 0)
                return chosen;
            if (answer == "?")
            {
                for (var i = 0; i < options.Length; i++)
                    WriteLine($"{options[i].Key} - {choices[i].HelpMessage}");
            }
        }

        static bool Same(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);
    }

    /// <inheritdoc/>
    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName)
    {
        RequireUser();
        Introduce(caption, message);
        if (string.IsNullOrEmpty(userName))
        {
            Write("User: ");
            userName = ReadLine();
        }
        Write($"Password for user {userName}: ");
        return new PSCredential(userName, ReadLineAsSecureString());
    }

    /// <inheritdoc/>
    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) =>
        PromptForCredential(caption, message, userName, targetName);

    object? Ask(FieldDescription field)
    {
        var type = Type.GetType(field.ParameterAssemblyFullName) ?? typeof(string);
        if (type == typeof(PSCredential))
            return PromptForCredential("", "", "", "");
        if (type == typeof(SecureString))
        {
            Write($"{field.Name}: ");
            return ReadLineAsSecureString();
        }
        if (!type.IsArray)
            return AskOne($"{field.Name}: ", type);

        var items = new List<object?>();
        while (AskOne(string.Create(CultureInfo.InvariantCulture, $"{field.Name}[{items.Count}]: "), type.GetElementType()!, emptyEnds: true) is { } item)
            items.Add(item);
        return LanguagePrimitives.ConvertTo(items, type, CultureInfo.CurrentCulture);
    }

    object? AskOne(string label, Type type, bool emptyEnds = false)
    {
        while (true)
        {
            Write(label);
            var answer = ReadLine();
            if (emptyEnds && answer.Length == 0)
                return null;
            if (LanguagePrimitives.TryConvertTo(answer, type, CultureInfo.CurrentCulture, out var value))
                return value;
            WriteErrorLine($"'{answer}' is not a {type.Name}.");
        }
    }

    void Introduce(string caption, string message)
    {
        if (!string.IsNullOrEmpty(caption))
            WriteLine(console.ColorsOut ? PSStyle.Instance.Bold + caption + PSStyle.Instance.BoldOff : caption);
        if (!string.IsNullOrEmpty(message))
            WriteLine(message);
    }

    void RequireUser()
    {
        if (nonInteractive)
            throw new PSInvalidOperationException("psmigrate is in NonInteractive mode. Read and Prompt functionality is not available.");
        if (Console.IsInputRedirected)
            throw new PSInvalidOperationException("Standard input is not a terminal. Read and Prompt functionality is not available.");
    }

    // "Yes to &All" is chosen by A; without a mark, by the whole text.
    static (string Key, string Text) SplitLabel(ChoiceDescription choice)
    {
        var mark = choice.Label.IndexOf('&', StringComparison.Ordinal);
        if (mark < 0 || mark + 1 >= choice.Label.Length)
            return (choice.Label, choice.Label);
        return (new Rune(choice.Label[mark + 1]).ToString().ToUpperInvariant(), choice.Label.Remove(mark, 1));
    }
}
