namespace PsMigrate.Engine.Model;

/// <summary>Lists for users. The type that <c>[.. items]</c> makes hides its indexer, so that a script's <c>$list[0]</c> gives the whole list.</summary>
static class Listed
{
    public static IReadOnlyList<T> Of<T>(IEnumerable<T> items) => items.ToArray().AsReadOnly();
}
