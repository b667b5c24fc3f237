using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>How a test ended.</summary>
public enum PesterOutcome
{
    /// <summary>Its turn never came.</summary>
    NotRun,

    /// <summary>It ran to its end.</summary>
    Passed,

    /// <summary>It, its set-up or its tear-down threw.</summary>
    Failed,

    /// <summary>It was marked so, or said so while running.</summary>
    Skipped
}

/// <summary>An It, or one case of it.</summary>
public sealed class PesterTest : PesterNode
{
    readonly PesterStep _body;
    readonly List<string> _failures = [];

    internal PesterTest(PesterSession session, PesterBlock parent, string name, ScriptBlock body, object? data, bool skip, int line)
        : base(session, parent, name, data, skip, line)
    {
        _body = new PesterStep("It", body);
        if (IsSkipped) Outcome = PesterOutcome.Skipped;
    }

    /// <inheritdoc/>
    public override bool IsTest => true;

    /// <summary>BeforeEach of every block around it, the outer ones first, then the test itself.</summary>
    public IEnumerable<PesterStep> SetUpAndBody =>
        Around().Reverse().SelectMany(block => block.Steps("BeforeEach")).Append(_body);

    /// <summary>AfterEach of every block around it, the inner ones first.</summary>
    public IEnumerable<PesterStep> TearDown => Around().SelectMany(block => block.Steps("AfterEach"));

    internal PesterOutcome Outcome { get; private set; }

    /// <summary>Why it failed or was skipped.</summary>
    internal string Message => string.Join(Environment.NewLine, _failures);

    /// <summary>Notes an error, or the wish to be skipped.</summary>
    public void Fail(ErrorRecord error)
    {
        ArgumentNullException.ThrowIfNull(error);
        if (error.Exception is PesterSkippedException && Outcome != PesterOutcome.Failed)
        {
            Outcome = PesterOutcome.Skipped;
            _failures.Add(error.Exception.Message);
            return;
        }

        Fail(ErrorText.Of(error));
    }

    /// <summary>The spine is through with this test, or is being torn out of it.</summary>
    public void Leave()
    {
        if (Outcome == PesterOutcome.NotRun && !_body.Completed) return;
        if (Outcome == PesterOutcome.NotRun) Outcome = PesterOutcome.Passed;
        Session.Current = null;
    }

    internal void Fail(string message)
    {
        Outcome = PesterOutcome.Failed;
        _failures.Add(message);
    }

    IEnumerable<PesterBlock> Around()
    {
        for (var block = Parent; block is not null; block = block.Parent) yield return block;
    }
}
