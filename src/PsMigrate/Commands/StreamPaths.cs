using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>PowerShell's paths as paths of the file system.</summary>
static class StreamPaths
{
    /// <summary>The files that a path means: none for a wildcard that fits nothing, an error for a path that is not there.</summary>
    public static IReadOnlyList<string> Resolve(PathIntrinsics paths, string path, bool isLiteral, Action<MigrationException> fail)
    {
        try
        {
            ProviderInfo provider;
            IReadOnlyList<string> found = isLiteral
                ? [paths.GetUnresolvedProviderPathFromPSPath(path, out provider, out _)]
                : [.. paths.GetResolvedProviderPathFromPSPath(path, out provider)];
            if (provider.Name == "FileSystem") return found;
            fail(Failed($"{path} is no path of the file system."));
        }
        // Drives, providers and items that are not there.
        catch (Exception e) when (e is SessionStateException or ItemNotFoundException or ProviderInvocationException)
        {
            fail(Failed(e.Message, e));
        }
        return [];
    }

    static MigrationException Failed(string message, Exception? e = null) =>
        new(MigrationErrorId.FileFailed, MigrationSide.User, message, e);
}
