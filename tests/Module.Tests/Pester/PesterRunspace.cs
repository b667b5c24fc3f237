using System.Management.Automation.Runspaces;
using Microsoft.PowerShell;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Makes the engine that a test file runs in: the plain one, and Pester's words.</summary>
static class PesterRunspace
{
    /// <summary>The words of a test file and the cmdlets behind them (a cmdlet can't be named without a dash).</summary>
    static readonly (string Word, Type Cmdlet)[] Words =
    [
        ("Describe", typeof(AddBlockCommand)),
        ("Context", typeof(AddBlockCommand)),
        ("It", typeof(AddTestCommand)),
        ("BeforeAll", typeof(AddStepCommand)),
        ("BeforeEach", typeof(AddStepCommand)),
        ("AfterEach", typeof(AddStepCommand)),
        ("AfterAll", typeof(AddStepCommand)),
        ("BeforeDiscovery", typeof(InvokeDiscoveryCommand)),
        ("Should", typeof(AssertShouldCommand))
    ];

    public static Runspace Open()
    {
        var state = InitialSessionState.CreateDefault2();
        if (OperatingSystem.IsWindows()) state.ExecutionPolicy = ExecutionPolicy.Bypass;
        foreach (var (word, type) in Words)
        {
            state.Commands.Add(new SessionStateCmdletEntry(Name(type), type, null));
            state.Commands.Add(new SessionStateAliasEntry(word, Name(type)));
        }

        state.Commands.Add(new SessionStateCmdletEntry(Name(typeof(SetItResultCommand)), typeof(SetItResultCommand), null));
        var runspace = RunspaceFactory.CreateRunspace(new QuietHost(), state);
        runspace.Open();
        return runspace;
    }

    static string Name(Type cmdlet)
    {
        var attribute = (System.Management.Automation.CmdletAttribute)cmdlet
            .GetCustomAttributes(typeof(System.Management.Automation.CmdletAttribute), inherit: false)[0];
        return $"{attribute.VerbName}-{attribute.NounName}";
    }
}
