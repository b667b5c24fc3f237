namespace PsMigrate.Shell;

/// <summary>PowerShell's list of folders that hold modules.</summary>
static class ModulePath
{
    /// <summary>Puts a folder first.</summary>
    public static void Add(string folder)
    {
        var rest = Environment.GetEnvironmentVariable("PSModulePath");
        Environment.SetEnvironmentVariable("PSModulePath", string.IsNullOrEmpty(rest) ? folder : folder + Path.PathSeparator + rest);
    }
}
