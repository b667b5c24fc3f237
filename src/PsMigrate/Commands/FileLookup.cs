using System.Management.Automation;
using Microsoft.PowerShell.Commands;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>Paths of the file system, as PowerShell understands them, to paths that the engine can open.</summary>
static class FileLookup
{
    /// <summary>A path that need not exist. Throws FileFailed.</summary>
    public static string Unresolved(PathIntrinsics paths, string path)
    {
        try
        {
            var full = paths.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
            Check(path, provider);
            return full;
        }
        catch (Exception e) when (e is RuntimeException or NotSupportedException)
        {
            throw Unusable(path, e);
        }
    }

    /// <summary>
    /// An address. The path of a file, and those in a command, count from PowerShell's location, which is not the process's. Throws
    /// InvalidUri, FileFailed.
    /// </summary>
    public static MigrationUri Address(PathIntrinsics paths, string text)
    {
        var uri = MigrationUri.Parse(text);
        return uri.Kind switch
        {
            MigrationUriKind.File => MigrationUri.ForFile(Unresolved(paths, uri.Path), uri.Offset),
            MigrationUriKind.Exec => uri.InFolder(paths.CurrentFileSystemLocation.ProviderPath),
            _ => uri,
        };
    }

    /// <summary>The files that fit a path with wildcards; a plain path as it is, whether or not it exists. Throws FileFailed.</summary>
    public static IReadOnlyList<string> Resolved(PathIntrinsics paths, string path)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(path)) return [Unresolved(paths, path)];
        try
        {
            var found = paths.GetResolvedProviderPathFromPSPath(path, out var provider);
            Check(path, provider);
            return found;
        }
        catch (ItemNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is RuntimeException or NotSupportedException)
        {
            throw Unusable(path, e);
        }
    }

    static void Check(string path, ProviderInfo provider)
    {
        if (provider.Name != FileSystemProvider.ProviderName)
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"{path} is a path of {provider.Name} and not of a file.");
    }

    static MigrationException Unusable(string path, Exception inner) =>
        new(MigrationErrorId.FileFailed, MigrationSide.User, $"{path} is no path of a file: {inner.Message}", inner);
}
