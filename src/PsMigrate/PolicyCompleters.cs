using System.Collections;
using PsMigrate.Engine.Model;

namespace PsMigrate.Completion;

/// <summary>The built-in policies.</summary>
public sealed class PolicyNameCompleter : Completer
{
    private protected override IEnumerable<Suggestion> Suggest(IDictionary bound) =>
        MigrationPolicy.BuiltIn.Select(policy => new Suggestion(policy.Name, policy.Description));
}
