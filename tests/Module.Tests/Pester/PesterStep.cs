using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>One script block of a test file on its way: a set-up, a test's body, a tear-down. The spine script drives it.</summary>
public sealed class PesterStep(string kind, ScriptBlock script)
{
    /// <summary>What it is: BeforeAll, It, …</summary>
    public string Kind { get; } = kind;

    /// <summary>The block itself, bound to the test file.</summary>
    public ScriptBlock Script { get; } = script;

    /// <summary>Set by the spine right after the block; still false when something left the block sideways.</summary>
    public bool Completed { get; set; }

    /// <summary>Fails what Pester lets pass: a <c>break</c> or <c>continue</c> that skipped the rest of the block.</summary>
    /// <exception cref="PesterTrapException">The block was left sideways.</exception>
    public void AssertCompleted()
    {
        if (!Completed)
            throw new PesterTrapException(
                $"A break or continue without a loop around it left this {Kind} block before its end, with all that comes after it. "
                + "Pester would report the test as passed; put a loop around the break and assert after the loop.");
    }
}

/// <summary>A test would have passed under Pester without having been run to its end.</summary>
public sealed class PesterTrapException(string message) : Exception(message);

/// <summary>The test asked, while running, to be counted as skipped.</summary>
public sealed class PesterSkippedException(string message) : Exception(message);

/// <summary>The test file does something that this runner does not know or that Pester would refuse.</summary>
public sealed class PesterRefusedException(string message) : Exception(message);

/// <summary>An assertion does not hold.</summary>
public sealed class PesterAssertionException(string message) : Exception(message);
