using System.Reflection;

namespace PsMigrate.ModuleTests;

/// <summary>Where things are in the checkout that these tests were built from.</summary>
static class Repository
{
    const string ModuleVariable = "PSMIGRATE_MODULE";

    public static string Root { get; } = FindRoot();

    public static string PesterFiles => Path.Combine(Root, "tests", "Pester");

    /// <summary>The importable module of the same configuration as these tests.</summary>
    public static string Module => Path.Combine(Root, "output", Configuration, "PsMigrate");

    public static string Configuration => typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(a => a.Key == "Configuration").Value!;

    /// <summary>Tells the test files which module to import, unless whoever started the tests has chosen one.</summary>
    public static void PointToModule()
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(ModuleVariable)))
            Environment.SetEnvironmentVariable(ModuleVariable, Module);
    }

    static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "PsMigrate.sln")))
                return folder.FullName;
        throw new DirectoryNotFoundException($"No PsMigrate.sln above {AppContext.BaseDirectory}.");
    }
}
