using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>A Describe or Context, or the file itself as the root.</summary>
public sealed class PesterBlock : PesterNode
{
    readonly Dictionary<string, ScriptBlock> _setUps = new(StringComparer.OrdinalIgnoreCase);
    readonly List<PesterNode> _children = [];
    string[] _driveBefore = [];

    internal PesterBlock(PesterSession session, PesterBlock? parent, string name, object? data, bool skip, int line)
        : base(session, parent, name, data, skip, line)
    {
    }

    /// <inheritdoc/>
    public override bool IsTest => false;

    /// <summary>The set-up that runs once before the tests of this block.</summary>
    public IEnumerable<PesterStep> SetUp => Steps("BeforeAll");

    /// <summary>The tear-down that runs once after them.</summary>
    public IEnumerable<PesterStep> TearDown => Steps("AfterAll");

    /// <summary>The children with anything to run: a block whose tests are all skipped does not even set up.</summary>
    public IEnumerable<PesterNode> ToRun => _children.Where(HasWork);

    internal bool IsRoot => Parent is null;

    internal IEnumerable<PesterTest> Tests => _children.SelectMany(
        child => child is PesterBlock block ? block.Tests : [(PesterTest)child]);

    /// <summary>Before the block's set-up: remembers what the test drive holds.</summary>
    public void Begin() => _driveBefore = Session.Drive?.Entries() ?? [];

    /// <summary>After its tear-down: what the block left on the test drive goes.</summary>
    public void End() => Session.Drive?.RemoveAllBut(_driveBefore);

    /// <summary>The set-up failed, so that no test of this block could run.</summary>
    public void FailSetUp(ErrorRecord error)
    {
        foreach (var test in Tests.Where(t => t.Outcome == PesterOutcome.NotRun && !t.IsSkipped)) test.Fail(error);
    }

    /// <summary>The tear-down failed: the tests have run, the file has not done well.</summary>
    public void FailTearDown(ErrorRecord error) => Session.Fail(error);

    internal void Add(PesterNode child) => _children.Add(child);

    internal void SetStep(string kind, ScriptBlock script)
    {
        if (!_setUps.TryAdd(kind, script))
            throw new PesterRefusedException($"There is a {kind} in this block already; Pester would silently drop the first one.");
    }

    internal IEnumerable<PesterStep> Steps(string kind) =>
        _setUps.TryGetValue(kind, out var script) ? [new PesterStep(kind, script)] : [];

    static bool HasWork(PesterNode node) => node is PesterBlock block ? block._children.Any(HasWork) : !node.IsSkipped;
}
