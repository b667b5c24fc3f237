using System.Collections;
using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Values in the text of a failed assertion, near to how a script would write them.</summary>
static class Wording
{
    const int MostItems = 20;

    public static string Of(object? value)
    {
        if (value is PSObject { BaseObject: not PSCustomObject } wrapped) value = wrapped.BaseObject;
        return value switch
        {
            null => "$null",
            bool flag => flag ? "$true" : "$false",
            string text => $"'{text}'",
            Type type => $"[{type.FullName}]",
            ScriptBlock script => $"{{{script}}}",
            IDictionary => LanguagePrimitives.ConvertTo<string>(value),
            IEnumerable many => List([.. many.Cast<object?>()]),
            _ => LanguagePrimitives.ConvertTo<string>(value)
        };
    }

    static string List(object?[] items)
    {
        var shown = string.Join(", ", items.Take(MostItems).Select(Of));
        return items.Length > MostItems ? $"@({shown}, …{items.Length - MostItems} more)" : $"@({shown})";
    }
}
