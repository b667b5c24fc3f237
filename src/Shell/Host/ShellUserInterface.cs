using System.Management.Automation;
using System.Management.Automation.Host;

namespace PsMigrate.Shell.Host;

/// <summary>What PowerShell writes. The questions it asks are in the other part of this class.</summary>
sealed partial class ShellUserInterface(ShellConsole console, bool nonInteractive) : PSHostUserInterface
{
    /// <inheritdoc/>
    public override PSHostRawUserInterface RawUI { get; } = new ShellRawUserInterface();

    /// <inheritdoc/>
    public override bool SupportsVirtualTerminal => console.ColorsOut;

    /// <inheritdoc/>
    public override void Write(string value) => console.Out(value ?? "");

    /// <inheritdoc/>
    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) =>
        console.Out(value ?? "", foregroundColor, backgroundColor);

    /// <inheritdoc/>
    public override void WriteLine() => console.Out("", newLine: true);

    /// <inheritdoc/>
    public override void WriteLine(string value) => console.Out(value ?? "", newLine: true);

    /// <inheritdoc/>
    public override void WriteErrorLine(string value) => console.Error(value ?? "");

    /// <inheritdoc/>
    public override void WriteDebugLine(string message) => Prefixed("DEBUG: ", PSStyle.Instance.Formatting.Debug, message);

    /// <inheritdoc/>
    public override void WriteVerboseLine(string message) => Prefixed("VERBOSE: ", PSStyle.Instance.Formatting.Verbose, message);

    /// <inheritdoc/>
    public override void WriteWarningLine(string message) => Prefixed("WARNING: ", PSStyle.Instance.Formatting.Warning, message);

    /// <inheritdoc/>
    public override void WriteInformation(InformationRecord record)
    {
        // The engine writes an information message that is to be seen through WriteLine as well.
    }

    /// <inheritdoc/>
    public override void WriteProgress(long sourceId, ProgressRecord record) => console.Progress(sourceId, record);

    void Prefixed(string prefix, string style, string message) =>
        console.Out(console.ColorsOut ? $"{style}{prefix}{message}{PSStyle.Instance.Reset}" : prefix + message, newLine: true);
}
