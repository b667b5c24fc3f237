using System.Management.Automation.Runspaces;
using System.Reflection;

namespace PsMigrate.Shell;

/// <summary>
/// Two facts about a running engine that pwsh uses for its exit codes and that have no public name. The engine's package is pinned,
/// so these names can't change unseen: without them <see cref="Type.GetProperty(string)"/> gives null and the shell fails at its start.
/// </summary>
sealed class EngineInternals
{
    const BindingFlags Any = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;

    readonly object _context;
    readonly PropertyInfo _exitLeavesScript;
    readonly PropertyInfo _lastStatement;

    public EngineInternals(Runspace runspace)
    {
        _context = Property(typeof(Runspace), "ExecutionContext").GetValue(runspace)!;
        _exitLeavesScript = Property(_context.GetType(), "ScriptCommandProcessorShouldRethrowExit");
        _lastStatement = Property(_context.GetType(), "QuestionMarkVariableValue");
    }

    /// <summary>What <c>$?</c> is. Asking by a script would first set it.</summary>
    public bool LastStatementSucceeded => (bool)_lastStatement.GetValue(_context)!;

    /// <summary>
    /// Makes <c>exit</c> in the next script file end the session, as <c>pwsh -File</c> does; otherwise it would end only the script
    /// and look like any other use of <c>$LASTEXITCODE</c>.
    /// </summary>
    public void LetExitLeaveNextScript() => _exitLeavesScript.SetValue(_context, true);

    static PropertyInfo Property(Type type, string name) =>
        type.GetProperty(name, Any) ?? throw new MissingMemberException(type.FullName, name);
}
