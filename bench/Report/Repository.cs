namespace PsMigrate.Bench.Report;

/// <summary>The checkout that this program was built in.</summary>
static class Repository
{
    /// <summary>Its folder; null when the program was copied elsewhere.</summary>
    public static string? Root { get; } = Find();

    static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "PsMigrate.sln"))) return folder.FullName;
        return null;
    }
}
