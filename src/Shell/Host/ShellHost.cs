using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;

namespace PsMigrate.Shell.Host;

/// <summary>The shell as PowerShell's engine sees it.</summary>
sealed class ShellHost(ShellConsole console, bool nonInteractive) : PSHost
{
    int _exitCode = -1;

    /// <summary>The code given to <c>exit</c>, or null while nothing asked to leave.</summary>
    public int? ExitCode => _exitCode < 0 ? null : _exitCode;

    /// <summary>What a script tells the shell.</summary>
    public ShellNotes Notes { get; } = new();

    /// <inheritdoc/>
    public override PSObject PrivateData => PSObject.AsPSObject(Notes);

    /// <inheritdoc/>
    public override string Name => "psmigrate";

    /// <inheritdoc/>
    public override Version Version { get; } = typeof(ShellHost).Assembly.GetName().Version!;

    /// <inheritdoc/>
    public override Guid InstanceId { get; } = Guid.NewGuid();

    /// <inheritdoc/>
    public override PSHostUserInterface UI { get; } = new ShellUserInterface(console, nonInteractive);

    /// <inheritdoc/>
    public override CultureInfo CurrentCulture => CultureInfo.CurrentCulture;

    /// <inheritdoc/>
    public override CultureInfo CurrentUICulture => CultureInfo.CurrentUICulture;

    /// <inheritdoc/>
    // Exit codes are a byte on Unix; masking here keeps "asked to leave" apart from "not asked" for `exit -1` too.
    public override void SetShouldExit(int exitCode) => _exitCode = OperatingSystem.IsWindows() ? exitCode & int.MaxValue : exitCode & 0xFF;

    /// <inheritdoc/>
    public override void EnterNestedPrompt() => throw new PSNotSupportedException("psmigrate has no nested prompt.");

    /// <inheritdoc/>
    public override void ExitNestedPrompt() => throw new PSNotSupportedException("psmigrate has no nested prompt.");

    /// <inheritdoc/>
    public override void NotifyBeginApplication() => console.ClearProgress();

    /// <inheritdoc/>
    public override void NotifyEndApplication()
    {
    }
}

/// <summary>What a script tells the shell, as <c>$Host.PrivateData</c>.</summary>
sealed class ShellNotes
{
    /// <summary>The value of <c>$?</c> after the last statement of a command.</summary>
    public bool LastStatementSucceeded { get; set; } = true;
}
