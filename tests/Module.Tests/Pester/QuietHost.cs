using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>A host without a console: output goes nowhere, and a question is an error, as under <c>pwsh -NonInteractive</c>.</summary>
sealed class QuietHost : PSHost
{
    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;
    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;
    public override Guid InstanceId { get; } = Guid.NewGuid();
    public override string Name => "PsMigrate tests";
    public override Version Version { get; } = new(1, 0);
    public override PSHostUserInterface UI { get; } = new QuietInterface();

    public override void EnterNestedPrompt() => throw QuietInterface.NobodyToAsk();

    public override void ExitNestedPrompt()
    {
    }

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }

    public override void SetShouldExit(int exitCode)
    {
    }
}

sealed class QuietInterface : PSHostUserInterface
{
    /// <summary>None: formatting then takes the width that it takes for a redirected console.</summary>
    public override PSHostRawUserInterface? RawUI => null;

    public static PSInvalidOperationException NobodyToAsk() =>
        new("This session is not interactive, so nobody can answer a prompt.");

    public override Dictionary<string, PSObject> Prompt(
        string caption, string message, System.Collections.ObjectModel.Collection<FieldDescription> descriptions) => throw NobodyToAsk();

    public override int PromptForChoice(
        string caption, string message, System.Collections.ObjectModel.Collection<ChoiceDescription> choices, int defaultChoice) =>
        throw NobodyToAsk();

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) =>
        throw NobodyToAsk();

    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName,
        PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) => throw NobodyToAsk();

    public override string ReadLine() => throw NobodyToAsk();

    public override SecureString ReadLineAsSecureString() => throw NobodyToAsk();

    public override void Write(string value)
    {
    }

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value)
    {
    }

    public override void WriteLine(string value)
    {
    }

    public override void WriteErrorLine(string value)
    {
    }

    public override void WriteDebugLine(string message)
    {
    }

    public override void WriteProgress(long sourceId, ProgressRecord record)
    {
    }

    public override void WriteVerboseLine(string message)
    {
    }

    public override void WriteWarningLine(string message)
    {
    }
}
