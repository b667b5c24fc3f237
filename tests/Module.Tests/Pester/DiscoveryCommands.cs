using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Describe and Context.</summary>
[Cmdlet(VerbsCommon.Add, "PesterBlock")]
public sealed class AddBlockCommand : PesterCommand
{
    /// <summary>Runs the body of a block in a scope that the caller has made, with the values of -ForEach.</summary>
    const string Body = """
        param($____session, $____block, $____body)
        foreach ($____variable in $____block.Variables) {
            $ExecutionContext.SessionState.PSVariable.Set($____variable.Key, $____variable.Value)
        }
        try { $null = . $____body } catch { $____session.Fail($_) }
        """;

    /// <summary>What is described.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public string Name { get; set; } = "";

    /// <summary>The tests.</summary>
    [Parameter(Position = 1)]
    public ScriptBlock? Fixture { get; set; }

    /// <summary>Labels, which the runner does not use.</summary>
    [Parameter]
    [Alias("Tags")]
    public string[] Tag { get; set; } = [];

    /// <summary>Leaves out everything inside.</summary>
    [Parameter]
    public SwitchParameter Skip { get; set; }

    /// <summary>One block per value.</summary>
    [Parameter]
    public object? ForEach { get; set; }

    private protected override void Act()
    {
        DemandDiscovery();
        if (Fixture is null) throw new PesterRefusedException("There is no script block; its opening brace has to be on the same line.");
        var outer = Session.CurrentBlock;
        foreach (var data in Cases(ForEach))
        {
            var block = new PesterBlock(Session, outer, Name, data, Skip, Line);
            outer.Add(block);
            Session.CurrentBlock = block;
            try
            {
                InvokeCommand.InvokeScript(useLocalScope: true, ScriptBlock.Create(Body), null, Session, block, Fixture);
            }
            finally
            {
                Session.CurrentBlock = outer;
            }
        }
    }
}

/// <summary>It.</summary>
[Cmdlet(VerbsCommon.Add, "PesterTest")]
public sealed class AddTestCommand : PesterCommand
{
    /// <summary>What is expected, as a sentence.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public string Name { get; set; } = "";

    /// <summary>The test.</summary>
    [Parameter(Position = 1)]
    public ScriptBlock? Test { get; set; }

    /// <summary>Labels, which the runner does not use.</summary>
    [Parameter]
    public string[] Tag { get; set; } = [];

    /// <summary>Leaves the test out.</summary>
    [Parameter]
    public SwitchParameter Skip { get; set; }

    /// <summary>One test per value.</summary>
    [Parameter]
    [Alias("TestCases")]
    public object[]? ForEach { get; set; }

    private protected override void Act()
    {
        DemandDiscovery();
        if (Test is null) throw new PesterRefusedException("There is no script block; its opening brace has to be on the same line.");
        if (Session.CurrentBlock.IsRoot) throw new PesterRefusedException("An It has to be inside a Describe or Context.");
        foreach (var data in Cases(ForEach))
            Session.CurrentBlock.Add(new PesterTest(Session, Session.CurrentBlock, Name, Test, data, Skip, Line));
    }
}

/// <summary>BeforeAll, BeforeEach, AfterEach and AfterAll: kept for the run.</summary>
[Cmdlet(VerbsCommon.Add, "PesterStep")]
public sealed class AddStepCommand : PesterCommand
{
    /// <summary>What to do.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    public ScriptBlock Scriptblock { get; set; } = null!;

    private protected override void Act()
    {
        DemandDiscovery();
        var kind = MyInvocation.InvocationName;
        if (Session.CurrentBlock.IsRoot && kind.EndsWith("Each", StringComparison.OrdinalIgnoreCase))
            throw new PesterRefusedException($"{kind} has to be inside a Describe or Context.");
        Session.CurrentBlock.SetStep(kind, Scriptblock);
    }
}

/// <summary>BeforeDiscovery: runs on the spot, in the scope that it stands in.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "PesterDiscovery")]
public sealed class InvokeDiscoveryCommand : PesterCommand
{
    const string Body = """
        param($____session, $____body)
        try { $null = . $____body } catch { $____session.Fail($_) }
        """;

    /// <summary>What to do.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public ScriptBlock ScriptBlock { get; set; } = null!;

    private protected override void Act()
    {
        DemandDiscovery();
        InvokeCommand.InvokeScript(useLocalScope: false, ScriptBlock.Create(Body), null, Session, ScriptBlock);
    }
}
