using System.Management.Automation;
using System.Reflection;

namespace PsMigrate.Shell;

/// <summary>What the shell says of itself.</summary>
static class Banner
{
    /// <summary>The shell's version and that of the PowerShell in it.</summary>
    public static string Versions => $"psmigrate {InformationalVersion(typeof(Banner))}, PowerShell {InformationalVersion(typeof(PSObject))}";

    /// <summary>The lines before the first prompt.</summary>
    public static string Text => $"""
        {Versions}
        Get-Command -Module PsMigrate lists the commands, Get-Help explains them, exit leaves.

        """;

    // Without the commit that a build adds after a plus or "SHA:".
    static string InformationalVersion(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+', ' ')[0];
}
