using System.Collections;
using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>What blocks and tests have in common. Public members are those that the spine script calls.</summary>
public abstract class PesterNode
{
    private protected PesterNode(PesterSession session, PesterBlock? parent, string name, object? data, bool skip, int line)
    {
        (Session, Parent, Line) = (session, parent, line);
        IsSkipped = skip || parent is { IsSkipped: true };
        Variables = VariablesOf(data);
        Name = NameTemplate.Expand(name, ScopeVariables, session.Path, line);
    }

    /// <summary>True for an It.</summary>
    public abstract bool IsTest { get; }

    /// <summary>The variables that -ForEach gives this node: $_, and one per key of a hashtable.</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Variables { get; }

    /// <summary>The name, with its templates filled in.</summary>
    public string Name { get; }

    internal PesterSession Session { get; }
    internal PesterBlock? Parent { get; }
    internal int Line { get; }
    internal bool IsSkipped { get; }

    /// <summary>This node's variables and those of the blocks around it, the nearest last.</summary>
    internal IEnumerable<KeyValuePair<string, object?>> ScopeVariables =>
        (Parent?.ScopeVariables ?? []).Concat(Variables);

    /// <summary>Notes which block runs now, to name it if it hangs.</summary>
    public void Enter(PesterStep step) => Session.Current = (this, step);

    /// <summary>The names of the blocks around it and its own, outermost first.</summary>
    internal string Path => Parent is null or { IsRoot: true } ? Name : $"{Parent.Path} / {Name}";

    static List<KeyValuePair<string, object?>> VariablesOf(object? data)
    {
        List<KeyValuePair<string, object?>> variables = [];
        if (data is null) return variables;
        variables.Add(new("_", data));
        var bare = data is PSObject wrapped ? wrapped.BaseObject : data;
        if (bare is IDictionary table)
            foreach (DictionaryEntry entry in table)
                if (entry.Key is string key && key != "_") variables.Add(new(key, entry.Value));
        return variables;
    }
}
