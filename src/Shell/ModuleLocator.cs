using System.Reflection;

namespace PsMigrate.Shell;

/// <summary>Finds the module that the shell loads.</summary>
static class ModuleLocator
{
    const string Manifest = "PsMigrate.psd1";

    /// <summary>The environment variable that names a manifest, or its folder, to load instead of the shell's own.</summary>
    public const string Variable = "PSMIGRATE_MODULE";

    /// <summary>
    /// The manifest's full path: from <see cref="Variable"/>, else from a published shell's Modules folder, else where this build laid it out.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is none; the message names the places that were tried.</exception>
    public static string Find()
    {
        var wanted = Environment.GetEnvironmentVariable(Variable);
        if (!string.IsNullOrEmpty(wanted))
        {
            return AsManifest(Path.GetFullPath(wanted))
                ?? throw new FileNotFoundException($"{Variable} is '{wanted}', but no {Manifest} is there.");
        }

        string[] places =
        [
            Path.Combine(AppContext.BaseDirectory, "Modules", "PsMigrate"),
            Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, LaidOutPath())),
        ];
        return places.Select(AsManifest).FirstOrDefault(found => found is not null) ?? throw new FileNotFoundException(
            $"The PsMigrate module was not found in {string.Join(" or ", places)}. Build it with `dotnet build src/PsMigrate`, or set {Variable}.");
    }

    static string? AsManifest(string path)
    {
        if (Directory.Exists(path))
            path = Path.Combine(path, Manifest);
        return File.Exists(path) ? path : null;
    }

    static string LaidOutPath() =>
        typeof(ModuleLocator).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .First(metadata => metadata.Key == "PsMigrate.ModulePath").Value!;
}
