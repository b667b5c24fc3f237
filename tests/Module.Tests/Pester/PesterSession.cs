using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>A test file in its runspace: discovered, then (if asked for) run. The spine script and the commands work on it.</summary>
public sealed class PesterSession : IDisposable
{
    internal const string SpineName = "Spine.ps1";
    internal const string Variable = "____pester";

    static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(10);

    readonly Runspace _runspace;
    readonly List<string> _errors = [];
    bool _hangs;

    internal PesterSession(string path)
    {
        Path = path;
        CurrentBlock = Root = new PesterBlock(this, null, System.IO.Path.GetFileName(path), null, skip: false, line: 1);
        _runspace = PesterRunspace.Open();
    }

    /// <summary>The test file.</summary>
    public string Path { get; }

    /// <summary>The file as the outermost block.</summary>
    public PesterBlock Root { get; }

    /// <summary>True while blocks are collected, before any of them runs.</summary>
    public bool Discovering { get; private set; } = true;

    /// <summary>Set by the last line of the spine; <c>exit</c> and a break to a label never get there.</summary>
    public bool Finished { get; set; }

    internal PesterBlock CurrentBlock { get; set; }
    internal (PesterNode Node, PesterStep Step)? Current { get; set; }
    internal TestDrive? Drive { get; private set; }

    /// <summary>What went wrong with the file as a whole.</summary>
    internal IReadOnlyList<string> Errors => _errors;

    internal IReadOnlyList<PesterTest> Tests { get; private set; } = [];

    /// <summary>Notes an error that belongs to no single test.</summary>
    public void Fail(ErrorRecord error)
    {
        ArgumentNullException.ThrowIfNull(error);
        _errors.Add(ErrorText.Of(error));
    }

    /// <summary>The first phase: which tests are there?</summary>
    internal void Discover(TimeSpan limit)
    {
        _errors.AddRange(TestFileRules.Violations(Path));
        if (_errors.Count > 0) return;

        if (!RunSpine(limit)) _errors.Add($"{Path} did not end its discovery within {limit.TotalSeconds:0} s.");
        else if (!Finished) _errors.Add($"{Path} was left by an exit or a break during discovery.");
        Tests = [.. Root.Tests];
        if (Tests.Count == 0 && _errors.Count == 0) _errors.Add($"{Path} has no tests.");
    }

    /// <summary>The second phase.</summary>
    internal void Run(TimeSpan limit)
    {
        (Discovering, Finished) = (false, false);
        using var drive = Drive = new TestDrive();
        drive.Mount(_runspace);
        var ended = RunSpine(limit);
        if (ended && Finished) return;

        var how = ended
            ? "left the whole file by an exit or by a break to a label"
            : $"did not end: the file was stopped after {limit.TotalSeconds:0} s";
        var culprit = Current is { } current ? $"{current.Step.Kind} of '{current.Node.Path}'" : "A block";
        _errors.Add($"{culprit} {how} ({Path}).");
        if (Current?.Node is PesterTest test) test.Fail($"This {Current.Value.Step.Kind} {how}.");
        foreach (var waiting in Tests.Where(t => t.Outcome == PesterOutcome.NotRun)) waiting.Fail($"Never ran: {_errors[^1]}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Closing a runspace waits for what runs in it; one that hangs is left behind.
        if (!_hangs) _runspace.Dispose();
    }

    bool RunSpine(TimeSpan limit)
    {
        var shell = PowerShell.Create(_runspace);
        var spine = System.IO.Path.Combine(AppContext.BaseDirectory, "Pester", SpineName);
        shell.AddScript("& $args[0] $args[1]").AddArgument(spine).AddArgument(this);
        var running = shell.BeginInvoke();
        if (!running.AsyncWaitHandle.WaitOne(limit))
        {
            var blamed = Current;
            _hangs = !shell.BeginStop(null, null).AsyncWaitHandle.WaitOne(TimeToStop);
            Current = blamed;
            return false;
        }

        try
        {
            shell.EndInvoke(running);
        }
        catch (RuntimeException e)
        {
            _errors.Add(ErrorText.Of(e.ErrorRecord));
        }

        shell.Dispose();
        return true;
    }
}
