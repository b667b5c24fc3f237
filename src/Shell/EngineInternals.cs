using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;

namespace PsMigrate.Shell;

/// <summary>
/// Two things that pwsh does to its engine and that have no public name. The engine's package is pinned, so these names can't change
/// unseen: a new version that lacks one makes the shell fail at its first script.
/// </summary>
static class EngineInternals
{
    const BindingFlags Any = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;

    /// <summary>
    /// Makes <c>exit</c> in the next script file end the session, as <c>pwsh -File</c> does; otherwise it would end only the script
    /// and look like any other use of <c>$LASTEXITCODE</c>.
    /// </summary>
    public static void LetExitLeaveNextScript(Runspace runspace)
    {
        var context = Property(typeof(Runspace), "ExecutionContext").GetValue(runspace)!;
        Property(context.GetType(), "ScriptCommandProcessorShouldRethrowExit").SetValue(context, true);
    }

    /// <summary>
    /// Marks a record as one that a command wrote, so that Out-Default prints it on standard error. Writing it anew would do the
    /// same, but would put the writer's position in place of the error's own.
    /// </summary>
    public static PSObject AsWrittenError(ErrorRecord record)
    {
        var marked = new PSObject(record);
        var stream = Property(typeof(PSObject), "WriteStream");
        stream.SetValue(marked, Enum.Parse(stream.PropertyType, "Error"));
        return marked;
    }

    static PropertyInfo Property(Type type, string name) =>
        type.GetProperty(name, Any) ?? throw new MissingMemberException(type.FullName, name);
}
